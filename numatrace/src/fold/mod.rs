//! fold: observations to accumulators: plain synchronous arithmetic.
