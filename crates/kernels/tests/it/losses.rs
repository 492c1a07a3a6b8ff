//! The fused losses against their portable definitions.

use burn::tensor::{Int, Tensor};
use kernels::projection_loss::{LabelSmoothing, Projection, Targets};
use kernels::{projection_loss, r_drop_loss};

use crate::oracle::{backward, close, ids, leaf};

/// The inputs of an output projection.
fn project(hidden: Tensor<2>, matrix: Tensor<2>, bias: Option<Tensor<1>>) -> Projection {
    Projection { hidden, matrix, bias }
}

/// Targets with their smoothing.
fn against(ids: Tensor<1, Int>, smoothing: LabelSmoothing) -> Targets {
    Targets { ids, smoothing }
}

#[test]
fn projection_and_loss() {
    for (rows, width, vocabulary) in [(1, 1, 2), (5, 7, 33), (300, 16, 101), (600, 8, 40)] {
        for epsilon in [0.0, 0.1] {
            let (hidden, matrix, bias) = (leaf([rows, width]), leaf([vocabulary, width]), leaf([vocabulary]));
            // Every fifth row is padding, unless it is the only one.
            let pad = vocabulary - 1;
            let target = |row: usize| if row % 5 == 4 { pad } else { (row * 7) % pad } as i32;
            let targets = ids((0..rows).map(target).collect(), [rows]);
            let smoothing = LabelSmoothing { epsilon, pad_id: pad };
            for bias_used in [None, Some(bias.clone())] {
                let name = format!("loss {rows} {width} {vocabulary} {epsilon} {}", bias_used.is_some());
                let ours = projection_loss::projection_loss(
                    project(hidden.clone(), matrix.clone(), bias_used.clone()),
                    against(targets.clone(), smoothing),
                );
                let oracle = projection_loss::portable(
                    project(hidden.clone(), matrix.clone(), bias_used.clone()),
                    against(targets.clone(), smoothing),
                );
                close(&format!("{name}: nll"), ours.nll, oracle.nll);
                let (ours, oracle) = (ours.smoothed / rows as f64, oracle.smoothed / rows as f64);
                match bias_used {
                    None => compare!(name, ours, oracle, [hidden, matrix]),
                    Some(_) => compare!(name, ours, oracle, [hidden, matrix, bias]),
                }
            }
        }
    }
}

#[test]
fn r_drop() {
    for (rows, width, vocabulary) in [(1, 1, 2), (5, 7, 33), (300, 16, 101)] {
        for alpha in [0.0, 5.0] {
            let (hidden, matrix, bias) = (leaf([2 * rows, width]), leaf([vocabulary, width]), leaf([vocabulary]));
            let pad = vocabulary - 1;
            let target = |row: usize| if row % 5 == 4 { pad } else { (row * 7) % pad } as i32;
            let targets = ids((0..rows).map(target).collect(), [rows]);
            let smoothing = LabelSmoothing { epsilon: 0.1, pad_id: pad };
            for bias_used in [None, Some(bias.clone())] {
                let name = format!("two passes {rows} {width} {vocabulary} {alpha} {}", bias_used.is_some());
                let inputs = || (hidden.clone(), matrix.clone(), bias_used.clone(), targets.clone());
                let (h, m, b, t) = inputs();
                let ours = r_drop_loss::r_drop_loss(project(h, m, b), against(t, smoothing), alpha);
                let (h, m, b, t) = inputs();
                let oracle = r_drop_loss::portable(project(h, m, b), against(t, smoothing), alpha);
                close(&format!("{name}: nll"), ours.nll, oracle.nll);
                let (ours, oracle) = (ours.smoothed / rows as f64, oracle.smoothed / rows as f64);
                match bias_used {
                    None => compare!(name, ours, oracle, [hidden, matrix]),
                    Some(_) => compare!(name, ours, oracle, [hidden, matrix, bias]),
                }
            }
        }
    }
}

#[test]
fn padding_alone_has_no_loss() {
    let (hidden, matrix) = (leaf([3, 4]), leaf([6, 4]));
    let smoothing = LabelSmoothing { epsilon: 0.1, pad_id: 5 };
    let sums = projection_loss::projection_loss(
        project(hidden.clone(), matrix, None),
        against(ids(vec![5; 3], [3]), smoothing),
    );
    let gradients = sums.smoothed.clone().backward();
    assert_eq!((sums.smoothed.into_scalar::<f32>(), sums.nll.into_scalar::<f32>()), (0.0, 0.0));
    assert_eq!(hidden.grad(&gradients).unwrap().abs().sum().into_scalar::<f32>(), 0.0);
}
