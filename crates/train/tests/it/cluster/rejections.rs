//! Ranks that do not fit together, and a full disk: one message, and nothing half-written.

use std::fs;

use testing::job::{assert_one_error, launcher};

use super::{EVERYTHING, assert_same, mpirun, place, trained};
use crate::common::{ProcessOutput, set};

#[test]
fn more_ranks_than_micro_batches_are_rejected() {
    let place = place();
    let before = place.snapshot();
    let ran = ProcessOutput::from(mpirun(&place, 3, "run", &set(&["training.micro_batches=2"])).output().unwrap());
    assert_one_error(&ran, &["training.micro_batches = 2", "at least 3", "fewer processes"]);
    assert!(before == place.snapshot(), "nothing is written");
}

#[test]
fn ranks_with_other_settings_or_programs_are_rejected() {
    let place = place();
    let program = place.command(&[]).get_program().to_owned();
    place.write("other.toml", place.text("tiny.toml").replace("dropout = 0.1", "dropout = 0.2"));
    let mut bytes = fs::read(&program).expect("the program");
    bytes.push(0);
    place.write("train", bytes);
    fs::set_permissions(place.path("train"), fs::metadata(&program).unwrap().permissions()).unwrap();
    let before = place.snapshot();
    let this = program.to_str().expect("a path").to_string();
    let same = ["--config", "tiny.toml", "--output", "run", "--device", "flex"];
    let other_config = ["--config", "other.toml", "--output", "run", "--device", "flex"];
    let other_setting = [&same[..], &["--set", "training.steps=5"]].concat();
    let path = place.path("train").to_str().expect("a path").to_string();
    for (program, arguments, field) in [
        (&this, &other_config[..], "hash of the configuration file"),
        (&this, &other_setting[..], "--set"),
        (&path, &same[..], "hash of the program's file"),
    ] {
        let mut command = launcher(&place.path("."));
        command.args(["-n", "1", &this]).args(same).args([":", "-n", "1", program]).args(arguments);
        let ran = ProcessOutput::from(command.output().expect("mpirun"));
        assert_one_error(&ran, &["rank 1 on ", field, "start all ranks alike"]);
        assert!(before == place.snapshot(), "nothing is written: {field}");
    }
}

#[test]
fn a_device_that_one_rank_lacks_is_rejected() {
    let place = place();
    let program = place.command(&[]).get_program().to_owned();
    let arguments = ["--config", "tiny.toml", "--output", "run", "--device"];
    let (present, absent) = ([&arguments[..], &["flex"]].concat(), [&arguments[..], &["vulkan"]].concat());
    let before = place.snapshot();
    let index = [&present[..], &["--device-index", "1"]].concat();
    for (first, other, parts) in [
        (&present, absent, &["rank 1 on ", "device `vulkan` is not in this build"][..]),
        (&index, index.clone(), &["--device-index = 1", "`flex` is the CPU", "omit the option"]),
        (&present, index.clone(), &["rank 1 on ", "--device-index = 1", "`flex` is the CPU", "omit the option"]),
    ] {
        let mut command = launcher(&place.path("."));
        command.args(["-n", "1"]).arg(&program).args(first).args([":", "-n", "1"]).arg(&program).args(other);
        assert_one_error(&ProcessOutput::from(command.output().expect("mpirun")), parts);
        assert!(before == place.snapshot(), "nothing is written");
    }
}

#[test]
fn a_full_disk_at_the_root_ends_all_ranks() {
    let place = place();
    let settings = [&set(EVERYTHING)[..], &["--quiet"]].concat();
    trained(&place, 2, "whole", &settings);
    let limit = fs::metadata(place.path("whole/checkpoints/step-28/optimizer.safetensors")).unwrap().len() / 512 - 1;
    let arguments = [&["--config", "tiny.toml", "--output", "run", "--threads", "1"], &settings[..]].concat();
    let train = place.command(&arguments);
    let mut command = launcher(&place.path("."));
    // Without its signal, exceeding the limit is an error of the write.
    command.args(["-n", "2", "sh", "-c", &format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\"")]);
    let ran = ProcessOutput::from(command.arg(train.get_program()).args(train.get_args()).output().expect("mpirun"));
    assert_one_error(&ran, &["optimizer.safetensors", "has room"]);
    trained(&place, 2, "run", &[&settings[..], &["--resume"]].concat());
    assert_same(&place, "whole", "run");
}

#[test]
fn a_job_of_another_launcher_is_rejected() {
    let place = place();
    let before = place.snapshot();
    for variable in ["SLURM_STEP_NUM_TASKS", "PMI_SIZE"] {
        let mut command = place.command(&["--config", "tiny.toml", "--output", "run"]);
        let ran = ProcessOutput::from(command.env(variable, "4").output().expect("the program"));
        ran.assert_failed(&[&format!("{variable} = 4"), "MPI does not join", "srun --mpi=pmix"]);
        assert!(before == place.snapshot(), "nothing is written");
    }
    let mut command = mpirun(&place, 1, "run", &["--quiet"]);
    let ran = ProcessOutput::from(command.env("SLURM_STEP_NUM_TASKS", "4").output().expect("mpirun"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}
