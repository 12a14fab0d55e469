//! The program itself, as a process of a test. Knows nothing of what it is asked to do.

use std::io::Read;
use std::process::Child;

/// A program that is stopped by its own process id when the test ends; where the test has failed, what it said is shown.
pub struct Program(pub Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        let mut said = String::new();
        if let Some(output) = self.0.stderr.as_mut().filter(|_| std::thread::panicking())
            && output.read_to_string(&mut said).is_ok()
        {
            eprintln!("the program said:\n{said}");
        }
    }
}
