//! The command; everything it does stands in the library.

fn main() -> std::process::ExitCode {
    launchday::cli::main()
}
