//! interim
use super::matmul::{Epilogue, Precision, matmul_nt};
/// interim
#[derive(Debug)]
pub struct PackedMatrix {
    w: Vec<f32>,
    n: usize,
    k: usize,
    precision: Precision,
}
impl PackedMatrix {
    /// interim
    pub fn new(w: &[f32], n: usize, k: usize, precision: Precision) -> Self {
        Self { w: w.to_vec(), n, k, precision }
    }
    /// interim
    pub fn precision(&self) -> Precision {
        self.precision
    }
    /// interim
    pub fn matmul_nt(&self, a: &[f32], c: &mut [f32], epilogue: &Epilogue<'_>) {
        matmul_nt(
            self.precision,
            a,
            &self.w,
            c,
            (a.len() / self.k.max(1), self.n, self.k),
            epilogue,
        );
    }
}
