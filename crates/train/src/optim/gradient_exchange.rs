//! The sum of the gradients of an update whose micro-batches were computed by several processes.
//!
//! Each process owns a slice of the parameters. It receives that slice of every micro-batch, adds them in the order of the
//! micro-batches, ((g₀ + g₁) + g₂) + … for any number of processes, and returns a result to all: the updated weights, or
//! the sum itself. A process sends (A/N + 1) · G · (N − 1)/N bytes, with A micro-batches, N processes and a gradient of
//! G bytes.

use std::mem;
use std::ops::Range;

use cluster::{Cluster, share};

use super::host_gradients::HostGradients;
use super::slices::{Piece, Slices};

/// The gradients of an update, of which this process has its slice.
#[derive(Clone, Debug, PartialEq)]
pub struct SummedSlice {
    /// The sum for each piece of the slice; `None` for a parameter without a gradient.
    pub pieces: Vec<Option<Vec<f32>>>,
    /// Whether each parameter has a gradient.
    pub present: Vec<bool>,
    /// The sums of the objective and of the nll.
    pub sums: [f32; 2],
}

/// Sums the gradients of all processes' micro-batches, of which `local` has those of this process.
///
/// # Panics
/// Without a micro-batch in each process.
pub fn sum(cluster: &Cluster, slices: &Slices, local: &[HostGradients], micro_batches: usize) -> SummedSlice {
    let block = |rank: usize| share(micro_batches, cluster.size(), rank);
    let own = slices.pieces(cluster.rank());
    let parts = exchange_summaries(cluster, local, block);

    let blank = |i: usize| -> Vec<Option<Vec<f32>>> {
        let present = |piece: &Piece| parts[i].present[piece.parameter];
        own.iter().map(|piece| present(piece).then(|| vec![0.0; piece.range.len()])).collect()
    };
    let mut received: Vec<(usize, Vec<Option<Vec<f32>>>)> = cluster
        .others()
        .flat_map(|from| block(from).map(move |i| (from, i)))
        .map(|(from, i)| (from, blank(i)))
        .collect();
    let mut incoming: Vec<(usize, &mut [f32])> = received
        .iter_mut()
        .flat_map(|(from, pieces)| pieces.iter_mut().flatten().map(|values| (*from, &mut values[..])))
        .collect();
    let outgoing: Vec<(usize, &[f32])> = cluster
        .others()
        .flat_map(|to| local.iter().map(move |part| (to, part)))
        .flat_map(|(to, part)| slices.pieces(to).iter().filter_map(move |piece| Some((to, part.piece(piece)?))))
        .collect();
    cluster.exchange(&outgoing, &mut incoming);

    let before = block(cluster.rank()).start;
    let of_part = |i: usize, piece: usize| match i {
        i if i < before => received[i].1[piece].as_deref(),
        i if i < before + local.len() => local[i - before].piece(&own[piece]),
        i => received[i - local.len()].1[piece].as_deref(),
    };
    let summed = |piece: usize| add_in_order((0..micro_batches).filter_map(|i| of_part(i, piece)));
    let total = |sum: usize| parts.iter().map(|part| part.sums[sum]).reduce(|sum, part| sum + part);
    SummedSlice {
        pieces: (0..own.len()).map(summed).collect(),
        present: (0..slices.parameters.len()).map(|i| parts.iter().any(|part| part.present[i])).collect(),
        sums: [0, 1].map(|sum| total(sum).expect("at least one micro-batch")),
    }
}

/// Returns every parameter that has a gradient as a whole, from the pieces that each process has of it.
pub fn gather(cluster: &Cluster, slices: &Slices, own: &[Option<Vec<f32>>], present: &[bool]) -> Vec<Option<Vec<f32>>> {
    let blank = |(parameter, present): (usize, &bool)| present.then(|| vec![0.0; slices.parameters[parameter].len]);
    let mut whole: Vec<Option<Vec<f32>>> = present.iter().enumerate().map(blank).collect();
    let mut rests: Vec<&mut [f32]> = whole.iter_mut().map(|values| values.as_deref_mut().unwrap_or_default()).collect();
    let mut incoming: Vec<(usize, &mut [f32])> = Vec::new();
    for rank in 0..cluster.size() {
        for (i, Piece { parameter, range }) in slices.pieces(rank).iter().enumerate() {
            if !present[*parameter] {
                continue;
            }
            let (values, rest) = mem::take(&mut rests[*parameter]).split_at_mut(range.len());
            rests[*parameter] = rest;
            match &own.get(i) {
                Some(Some(own)) if rank == cluster.rank() => values.copy_from_slice(own),
                Some(_) | None => incoming.push((rank, values)),
            }
        }
    }
    let outgoing: Vec<(usize, &[f32])> =
        cluster.others().flat_map(|to| own.iter().flatten().map(move |values| (to, &values[..]))).collect();
    cluster.exchange(&outgoing, &mut incoming);
    whole
}

/// Sends numbers to all other processes; returns those of each rank, of which rank `i` sends `len(i)`.
pub fn exchange_all(cluster: &Cluster, own: Vec<f32>, len: impl Fn(usize) -> usize) -> Vec<Vec<f32>> {
    let mut of_rank: Vec<Vec<f32>> = (0..cluster.size()).map(|rank| vec![0.0; len(rank)]).collect();
    let outgoing: Vec<(usize, &[f32])> = cluster.others().map(|to| (to, &own[..])).collect();
    let received = of_rank.iter_mut().enumerate().filter(|(rank, _)| *rank != cluster.rank());
    let mut incoming: Vec<(usize, &mut [f32])> = received.map(|(from, values)| (from, &mut values[..])).collect();
    cluster.exchange(&outgoing, &mut incoming);
    of_rank[cluster.rank()] = own;
    of_rank
}

/// What each process knows of each micro-batch.
struct Summary {
    /// Whether each parameter has a gradient.
    present: Vec<bool>,
    /// The objective and the nll.
    sums: [f32; 2],
}

/// Returns the summaries of all micro-batches of the update, in order.
fn exchange_summaries(
    cluster: &Cluster,
    local: &[HostGradients],
    block: impl Fn(usize) -> Range<usize>,
) -> Vec<Summary> {
    let parameters = local[0].tensors.len();
    let flag = |tensor: &Option<Vec<f32>>| f32::from(u8::from(tensor.is_some()));
    let own = local.iter().flat_map(|part| part.tensors.iter().map(flag).chain(part.sums)).collect();
    let of_rank = exchange_all(cluster, own, |rank| block(rank).len() * (parameters + 2));
    let summary = |part: &[f32]| Summary {
        present: part[..parameters].iter().map(|flag| *flag != 0.0).collect(),
        sums: [part[parameters], part[parameters + 1]],
    };
    of_rank.iter().flat_map(|parts| parts.chunks(parameters + 2)).map(summary).collect()
}

/// Adds the values of all micro-batches in their order; `None` without one.
fn add_in_order<'a>(mut parts: impl Iterator<Item = &'a [f32]>) -> Option<Vec<f32>> {
    let mut sum = parts.next()?.to_vec();
    for part in parts {
        sum.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use cluster::ThreadLink;

    use super::super::slices::Parameter;
    use super::*;

    #[test]
    fn parts_are_added_in_their_order() {
        // In float32, (1 + 1e8) − 1e8 is 0 and 1 + (1e8 − 1e8) is 1.
        let parts: [&[f32]; 3] = [&[1.0, 2.0], &[1e8, 2.0], &[-1e8, 2.0]];
        assert_eq!(add_in_order(parts.into_iter()), Some(vec![0.0, 6.0]));
        assert_eq!(add_in_order([].into_iter()), None);
    }

    /// Five micro-batches of three parameters; some have no gradient in some micro-batches, the last one in none.
    fn micro_batches() -> Vec<HostGradients> {
        let part = |i: usize| {
            let tensor = |parameter: usize, len: usize| -> Vec<f32> {
                (0..len).map(|at| 1e8f32.powi(((i + at) % 3) as i32 - 1) * (parameter + i) as f32).collect()
            };
            let absent = |parameter: usize| parameter == 2 || (i + parameter).is_multiple_of(2);
            let tensors = [(0, 7), (1, 4), (2, 3)];
            let tensors = tensors.map(|(parameter, len)| (!absent(parameter)).then(|| tensor(parameter, len)));
            HostGradients { tensors: tensors.to_vec(), sums: [i as f32, 0.5] }
        };
        (0..5).map(part).collect()
    }

    #[test]
    fn any_number_of_processes_computes_the_same_sums() {
        let lens = [("a", 7), ("b", 4), ("c", 3)];
        let parameters = lens.map(|(name, len)| Parameter { name: name.to_string(), len, is_matrix: false }).to_vec();
        let parts = micro_batches();
        let whole = |parameter: usize| {
            add_in_order(parts.iter().filter_map(|part: &HostGradients| part.tensors[parameter].as_deref()))
        };
        let expected = [whole(0), whole(1), None];
        for processes in 1..=5 {
            let slices = Slices::of(parameters.clone(), processes, 1);
            thread::scope(|scope| {
                for link in ThreadLink::all(processes) {
                    let (slices, parts, expected) = (&slices, &parts, &expected);
                    scope.spawn(move || {
                        let cluster = Cluster::of_thread(link);
                        let local = &parts[share(5, processes, cluster.rank())];
                        let summed = sum(&cluster, slices, local, 5);
                        assert_eq!((&summed.present[..], summed.sums), (&[true, true, false][..], [10.0, 2.5]));
                        let whole = gather(&cluster, slices, &summed.pieces, &summed.present);
                        assert_eq!(whole, expected, "rank {} of {processes}", cluster.rank());
                    });
                }
            });
        }
    }
}
