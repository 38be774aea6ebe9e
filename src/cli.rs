//! The command line: parse, load the config, build a driver, run a face.
