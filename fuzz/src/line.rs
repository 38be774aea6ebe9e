//! The two ends of the line between a gateway and an attached console.

/// A gateway hears these bytes of a console.
pub fn line_to_gateway(data: &[u8]) {
    llmdeck::remote::fuzz::gateway_hears(data);
}

/// A console hears these bytes of a gateway.
pub fn line_to_console(data: &[u8]) {
    llmdeck::remote::fuzz::console_hears(data);
}
