//! `oidcc-formpost-basic-certification-test-plan`.

use crate::modules::{Mode, plan};

plan!(Mode::FormPost);
