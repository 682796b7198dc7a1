//! Every routing preset beside a naive reference in float64, written straight from its formula: outputs, and the gradients of
//! inputs and all weights beside finite differences; and what must hold for any input.

mod bad_input;
mod case;
mod formulas;
mod learning;
mod naive;

const D: usize = 5;
const F: usize = 4;
const E: usize = 6;
