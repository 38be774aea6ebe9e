//! Logs: a rolling file under the console, stderr otherwise.
