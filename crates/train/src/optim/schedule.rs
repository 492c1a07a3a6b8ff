//! The learning rate, a pure function of the step, so that checkpoints need not hold it.

use runs::config::{Schedule, TrainingConfig};

/// Returns the learning rate of update number `step` (from 1).
pub fn learning_rate(training: &TrainingConfig, d_model: usize, step: u64) -> f64 {
    let (now, warmup, rate) = (step as f64, training.warmup_steps as f64, training.learning_rate);
    let rising = (now / warmup).min(1.0);
    match training.schedule {
        Schedule::Noam => rate * (d_model as f64).powf(-0.5) * now.powf(-0.5).min(now * warmup.powf(-1.5)),
        Schedule::InverseSqrt => rate * rising.min((warmup / now).sqrt()),
        Schedule::Cosine if now <= warmup => rate * rising,
        Schedule::Cosine => {
            let progress = (now - warmup) / (training.steps as f64 - warmup).max(1.0);
            rate * 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos())
        }
        Schedule::Constant => rate * rising,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(schedule: Schedule, learning_rate: f64, step: u64) -> f64 {
        let training =
            TrainingConfig { schedule, learning_rate, warmup_steps: 100, steps: 1100, ..TrainingConfig::default() };
        super::learning_rate(&training, 64, step)
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    #[test]
    fn noam_is_equation_3() {
        close(rate(Schedule::Noam, 1.0, 1), 0.125 * 100f64.powf(-1.5));
        close(rate(Schedule::Noam, 1.0, 100), 0.125 * 0.1);
        close(rate(Schedule::Noam, 2.0, 400), 2.0 * 0.125 * 0.05);
    }

    #[test]
    fn the_others_rise_to_their_peak() {
        for schedule in [Schedule::InverseSqrt, Schedule::Cosine, Schedule::Constant] {
            close(rate(schedule, 0.01, 50), 0.005);
            close(rate(schedule, 0.01, 100), 0.01);
        }
        close(rate(Schedule::InverseSqrt, 0.01, 400), 0.005);
        close(rate(Schedule::Cosine, 0.01, 600), 0.005);
        close(rate(Schedule::Cosine, 0.01, 1100), 0.0);
        close(rate(Schedule::Constant, 0.01, 1000), 0.01);
    }
}
