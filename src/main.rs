//! Arguments, logger, one call.

use std::process::ExitCode;

fn main() -> ExitCode {
    fitbit2mqtt::cli::main()
}
