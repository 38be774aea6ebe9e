//! Config files and the environment, assembled into the settings that each module owns.
