//! How a relying party behaves.
