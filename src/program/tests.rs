//! Tests of external programs: their ends, their output and what they leave running.

use super::{Deadline, Duration, ExternalProgram, Path, ProgramEnd};

fn shell(script: &str) -> ExternalProgram {
    ExternalProgram::new(Path::new("/bin/sh")).args(["-c", script])
}

/// Checks that the input arrives, the output is kept, and unread input does not block.
#[test]
fn input_and_output() {
    let echo = shell("cat").input("abc").keep_output(3).run().unwrap();
    assert!(echo.end.is_success());
    assert_eq!(echo.output, b"abc");
    let unread = shell("exit 3").input(vec![0; 1 << 20]).run().unwrap();
    assert!(matches!(unread.end, ProgramEnd::Ended(status) if status.code() == Some(3)));
}

/// Checks that a program that prints too much is killed.
#[test]
fn output_is_bounded() {
    let endless = shell("exec cat /dev/zero").keep_output(100).run().unwrap();
    assert_eq!(endless.end, ProgramEnd::OutputTooLong);
    assert_eq!(endless.output.len(), 101);
}

/// Checks that the deadline also ends the processes that the program has started, which keep
/// its output open.
#[test]
fn the_group_ends_at_the_deadline() {
    let hangs = shell("sleep 600 & sleep 600")
        .keep_output(100)
        .deadline(Deadline::after(Duration::from_millis(50)))
        .run()
        .unwrap();
    assert_eq!(hangs.end, ProgramEnd::TimedOut);
}
