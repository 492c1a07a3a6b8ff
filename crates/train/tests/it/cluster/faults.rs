//! Processes that are killed or stopped, and signals to `mpirun`.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use cluster::LONG;
use model::random::Rng;
use testing::job::{Job, signal};

use super::{EVERYTHING, MAX_END, assert_same_but_for, mpirun, place, trained};
use crate::common::{WorkFolder, set};

/// Maximum time of a whole run.
const MAX_RUN: Duration = Duration::from_secs(300);
/// Kills of a random rank.
const KILLS: usize = 20;
/// The time of `--rank-timeout`.
const TIMEOUT: Duration = Duration::from_secs(3);

/// A run that nothing ends but a fault or a signal.
fn endless() -> Vec<&'static str> {
    [&set(EVERYTHING)[..], &set(&["training.steps=100000"]), &["--rank-timeout", "3"]].concat()
}

/// Three processes, which after a signal have three seconds to write a checkpoint instead of one. In the three seconds before,
/// `mpirun` reads no output, which therefore must fit into a pipe.
fn interruptible(place: &WorkFolder, settings: &[&str]) -> Command {
    let mut command = mpirun(place, 3, "run", &[settings, &set(&["validation.samples=0"])].concat());
    command.env("OMPI_MCA_odls_base_sigkill_timeout", "3");
    command
}

#[test]
fn a_killed_rank_ends_a_job_that_resumes_equally() {
    let place = place();
    let settings = [&set(EVERYTHING)[..], &set(&["training.log_every=1"])].concat();
    let whole = Instant::now();
    place.trained("whole", &[&settings[..], &["--quiet"]].concat());
    let whole = whole.elapsed();
    let (mut rng, mut kills) = (Rng::new(11), 0);
    while kills < KILLS {
        for attempt in 0..8 {
            let processes = 2 + rng.below(3);
            let mut job = Job::start(mpirun(&place, processes, "killed", &[&settings[..], &["--resume"]].concat()));
            let pause = Duration::from_millis(300) + whole.mul_f64(1.5 * rng.uniform());
            thread::sleep(pause);
            job.find_ranks();
            if job.ranks.is_empty() || attempt == 7 {
                job.end(MAX_RUN);
                break;
            }
            signal("KILL", job.ranks[rng.below(job.ranks.len())]);
            job.end(MAX_END);
            kills += 1;
        }
        trained(&place, 2, "killed", &[&settings[..], &["--resume", "--quiet"]].concat());
        assert_same_but_for(&place, "whole", "killed", &["state.json"]);
        place.remove("killed");
    }
}

#[test]
fn a_rank_that_stops_is_named_and_the_job_ends() {
    let place = place();
    // If the root stops between two updates, it might as well write a checkpoint; the others then wait LONG times as long, and a
    // quarter more for the root itself.
    let max_end_of_root = MAX_END * 2 + TIMEOUT * LONG * 5 / 4;
    let cases = [(1, "rank 1 on ", MAX_END), (2, "rank 2 on ", MAX_END), (0, "rank 0 on ", max_end_of_root)];
    for (stopped, name, max_end) in cases {
        let job = Job::start_until(mpirun(&place, 3, "run", &endless()), "step 12/");
        signal("STOP", job.ranks[stopped]);
        let printed = job.end(max_end).stderr;
        let errors: Vec<&str> = printed.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(errors.len() == 1 && errors[0].contains(&format!("no answer from {name}")), "{printed}");
        place.remove("run");
    }
}

#[test]
fn a_job_that_is_suspended_goes_on() {
    let place = place();
    let mut job = Job::start_until(interruptible(&place, &endless()), "step 12/");
    signal("STOP", job.ranks[1]);
    thread::sleep(Duration::from_millis(200)); // until the others wait for it
    job.ranks.iter().for_each(|rank| signal("STOP", *rank));
    thread::sleep(TIMEOUT * 3);
    job.ranks.iter().for_each(|rank| signal("CONT", *rank));
    let mut printed = String::new();
    while printed.matches("\nstep ").count() < 8 {
        assert!(job.read_line(&mut printed) > 0, "ended after the pause:\n{printed}");
    }
    signal("INT", job.launcher.id());
    printed += &job.end(MAX_END).stderr;
    assert!(printed.contains("checkpoint written; resume with --resume"), "{printed}");
}

#[test]
fn a_signal_to_mpirun_writes_a_checkpoint() {
    let place = place();
    let settings = [&endless()[..], &set(&["training.checkpoint_every=100000"])].concat();
    let job = Job::start_until(interruptible(&place, &settings), "step 12/");
    signal("INT", job.launcher.id());
    let printed = job.end(MAX_END).stderr;
    assert!(printed.contains("checkpoint written; resume with --resume"), "{printed}");
    assert_eq!(place.names("run/checkpoints").len(), 1);
}
