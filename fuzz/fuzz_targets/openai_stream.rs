#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| llmdeck_fuzz::openai_stream(data));
