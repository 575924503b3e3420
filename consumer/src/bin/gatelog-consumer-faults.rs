//! `gatelog-consumer-faults`: the consumer with its fail points compiled in, for tests alone. What is
//! to fail is read from `FAILPOINTS`, as in `FAILPOINTS='fence=2*off->1*return(kill)'`.

use std::process::ExitCode;

#[path = "../main.rs"]
mod program;

fn main() -> ExitCode {
    let _scenario = fail::FailScenario::setup();
    program::main()
}
