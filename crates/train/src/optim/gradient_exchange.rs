//! The sum of the gradients of an update whose micro-batches were computed by several processes.
//!
//! Each process owns a slice of the flat gradient. It receives that slice of every micro-batch, adds them in the order of
//! the micro-batches, and returns the sum to all: ((g₀ + g₁) + g₂) + … for any number of processes, so that all of them
//! compute what one process would. A process sends (A/N + 1) · G · (N − 1)/N bytes, with A micro-batches, N processes and
//! a gradient of G bytes.

use std::ops::Range;

use cluster::{Cluster, share};

use super::flat_gradients::FlatGradients;

/// Returns the sum over the micro-batches of all processes. `local` has those of this process, and `lengths` the number of
/// values of each parameter; the values after those of the parameters are always added.
///
/// # Panics
/// Without a micro-batch in each process.
pub fn sum(cluster: &Cluster, local: &[FlatGradients], lengths: &[usize], micro_batches: usize) -> FlatGradients {
    let (rank, size) = (cluster.rank(), cluster.size());
    let count = local[0].values.len();
    let slice = |rank: usize| share(count, size, rank);
    let block = |rank: usize| share(micro_batches, size, rank);
    let own = slice(rank);

    let present = exchange_presence(cluster, local);
    let mut received = vec![0.0; own.len() * (micro_batches - local.len())];
    let mut incoming: Vec<(usize, &mut [f32])> = Vec::new();
    let mut rest = &mut received[..];
    for from in cluster.others() {
        for _ in block(from) {
            let (values, others) = rest.split_at_mut(own.len());
            incoming.push((from, values));
            rest = others;
        }
    }
    let outgoing: Vec<(usize, &[f32])> =
        cluster.others().flat_map(|to| local.iter().map(move |part| (to, &part.values[slice(to)]))).collect();
    cluster.exchange(&outgoing, &mut incoming);

    let before = block(rank).start;
    let part = |i: usize| match i {
        i if i < before => &received[i * own.len()..][..own.len()],
        i if i < before + local.len() => &local[i - before].values[own.clone()],
        i => &received[(i - local.len()) * own.len()..][..own.len()],
    };
    let parts: Vec<&[f32]> = (0..micro_batches).map(part).collect();
    let summed = add_in_order(&parts, &present, own.clone(), lengths);

    let mut values = vec![0.0; count];
    values[own.clone()].copy_from_slice(&summed);
    let mut rest = &mut values[..];
    let mut incoming: Vec<(usize, &mut [f32])> = Vec::new();
    for from in 0..size {
        let (values, others) = rest.split_at_mut(slice(from).len());
        rest = others;
        if from != rank {
            incoming.push((from, values));
        }
    }
    let outgoing: Vec<(usize, &[f32])> = cluster.others().map(|to| (to, &summed[..])).collect();
    cluster.exchange(&outgoing, &mut incoming);
    let anywhere = |parameter: usize| present.iter().any(|part| part[parameter]);
    FlatGradients { values, present: (0..lengths.len()).map(anywhere).collect() }
}

/// Returns which parameters have a gradient in each micro-batch of the update.
fn exchange_presence(cluster: &Cluster, local: &[FlatGradients]) -> Vec<Vec<bool>> {
    let own: Vec<u8> = local.iter().flat_map(|part| part.present.iter().map(|present| u8::from(*present))).collect();
    let mut of_rank = vec![Vec::new(); cluster.size()];
    for other in cluster.others() {
        // The lower rank of a pair sends first, since a long message may wait for its receiver.
        if cluster.rank() < other {
            cluster.send(other, &own);
        }
        of_rank[other] = cluster.receive(other, false);
        if cluster.rank() > other {
            cluster.send(other, &own);
        }
    }
    of_rank[cluster.rank()] = own;
    let parameters = local[0].present.len().max(1);
    let parts = of_rank.iter().flat_map(|bytes| bytes.chunks(parameters));
    parts.map(|part| part.iter().map(|byte| *byte != 0).collect()).collect()
}

/// Adds one slice of all micro-batches in their order. A parameter that has no gradient in a micro-batch is skipped there.
fn add_in_order(parts: &[&[f32]], present: &[Vec<bool>], slice: Range<usize>, lengths: &[usize]) -> Vec<f32> {
    let mut sum = vec![0.0; slice.len()];
    let mut start = 0;
    let ends = lengths.iter().map(|length| {
        start += length;
        start
    });
    let parameters: Vec<usize> = ends.chain([usize::MAX]).collect(); // the last one has the values after all parameters
    let mut at = slice.start;
    for (parameter, end) in parameters.into_iter().enumerate() {
        let end = end.min(slice.end);
        if end <= at {
            continue;
        }
        let range = at - slice.start..end - slice.start;
        let mut with = (0..parts.len()).filter(|i| present[*i].get(parameter).copied().unwrap_or(true));
        if let Some(first) = with.next() {
            sum[range.clone()].copy_from_slice(&parts[first][range.clone()]);
        }
        for i in with {
            sum[range.clone()].iter_mut().zip(&parts[i][range.clone()]).for_each(|(sum, value)| *sum += value);
        }
        at = end;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_added_in_their_order() {
        // In float32, (1 + 1e8) − 1e8 is 0 and 1 + (1e8 − 1e8) is 1.
        let parts: [&[f32]; 3] = [&[1.0, 2.0], &[1e8, 2.0], &[-1e8, 2.0]];
        let present = vec![vec![true]; 3];
        assert_eq!(add_in_order(&parts, &present, 0..2, &[2]), [0.0, 6.0]);
    }

    #[test]
    fn an_absent_gradient_is_skipped_not_added_as_zero() {
        let parts: [&[f32]; 2] = [&[9.0, -0.0, 5.0], &[9.0, 9.0, 6.0]];
        let present = vec![vec![false, true], vec![true, false]];
        let sum = add_in_order(&parts, &present, 0..3, &[1, 1]); // the third value belongs to no parameter
        assert_eq!((sum[0], sum[1].to_bits(), sum[2]), (9.0, (-0.0f32).to_bits(), 11.0));
    }

    #[test]
    fn a_slice_may_begin_and_end_within_parameters() {
        let whole: Vec<Vec<f32>> = (0..4).map(|part| (0..11).map(|i| (part * 100 + i) as f32).collect()).collect();
        let present: Vec<Vec<bool>> = (0..4).map(|part| vec![part != 1, true, part % 2 == 0]).collect();
        let lengths = [4, 5, 2];
        let parts: Vec<&[f32]> = whole.iter().map(|part| &part[..]).collect();
        let expected = add_in_order(&parts, &present, 0..11, &lengths);
        for size in 1..=11 {
            let slices = (0..size).map(|rank| share(11, size, rank));
            let sums = slices.flat_map(|slice| {
                let parts: Vec<&[f32]> = whole.iter().map(|part| &part[slice.clone()]).collect();
                add_in_order(&parts, &present, slice, &lengths)
            });
            assert_eq!(sums.collect::<Vec<_>>(), expected, "{size} slices");
        }
    }
}
