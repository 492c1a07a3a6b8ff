//! Processes played by the threads of one process, so that tests need no MPI.

use std::sync::mpsc::{Receiver, Sender, channel};

/// To and from another thread.
type Channel<T> = (Sender<T>, Receiver<T>);

/// The link of a thread to the others of its job.
#[derive(Debug)]
pub struct ThreadLink {
    rank: usize,
    /// To and from each rank, this one included.
    messages: Vec<Channel<Vec<u8>>>,
    numbers: Vec<Channel<Vec<f32>>>,
}

impl ThreadLink {
    /// Links `count` threads, in the order of their ranks.
    pub fn all(count: usize) -> Vec<Self> {
        let (messages, numbers) = (channels(count), channels(count));
        let ranks = messages.into_iter().zip(numbers).enumerate();
        ranks.map(|(rank, (messages, numbers))| Self { rank, messages, numbers }).collect()
    }

    pub(crate) fn rank(&self) -> usize {
        self.rank
    }

    pub(crate) fn size(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn send(&self, to: usize, message: &[u8]) {
        send(&self.messages[to], message);
    }

    pub(crate) fn receive(&self, from: usize) -> Vec<u8> {
        receive(&self.messages[from])
    }

    pub(crate) fn exchange(&self, outgoing: &[(usize, &[f32])], incoming: &mut [(usize, &mut [f32])]) {
        outgoing.iter().for_each(|(to, values)| send(&self.numbers[*to], values));
        incoming.iter_mut().for_each(|(from, values)| values.copy_from_slice(&receive(&self.numbers[*from])));
    }
}

/// Returns the channels of each thread to and from all.
fn channels<T>(count: usize) -> Vec<Vec<Channel<T>>> {
    let mut senders: Vec<Vec<Sender<T>>> = (0..count).map(|_| Vec::new()).collect();
    let mut receivers: Vec<Vec<Receiver<T>>> = (0..count).map(|_| Vec::new()).collect();
    for (from, to) in (0..count * count).map(|pair| (pair / count, pair % count)) {
        let (sender, receiver) = channel();
        senders[from].push(sender);
        receivers[to].push(receiver);
    }
    let pairs = |(senders, receivers): (Vec<Sender<T>>, Vec<Receiver<T>>)| senders.into_iter().zip(receivers).collect();
    senders.into_iter().zip(receivers).map(pairs).collect()
}

/// Sends a message, which is lost if the other thread has ended, as one to a process would be.
fn send<T: Clone>(channel: &Channel<Vec<T>>, message: &[T]) {
    let _lost = channel.0.send(message.to_vec());
}

fn receive<T>(channel: &Channel<Vec<T>>) -> Vec<T> {
    channel.1.recv().expect("the other thread is there")
}
