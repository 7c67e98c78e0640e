//===- Passes.td - attn to attn: what each pass does, and where its proof stands ---------------===//

#ifndef HEDDLE_PASSES_PASSES_TD
#define HEDDLE_PASSES_PASSES_TD

include "mlir/Pass/PassBase.td"

class Attn_Pass<string name> : Pass<"attn-" # name, "::mlir::func::FuncOp">;

def DropFullMask : Attn_Pass<"drop-full-mask"> {
  let summary = "removes the keep region of an attend when it keeps every pair";
  let description = [{ Before and after: test/passes/drop-full-mask.mlir. }];
  let options = [Option<"explain", "explain", "bool", /*default=*/"false",
                        "report, as a remark, why an op was left alone">];
}

def LowerSparsity : Attn_Pass<"lower-sparsity"> {
  let summary = "gives every visit its closed-form intervals of full and boundary tiles";
  let description = [{ Before and after: test/passes/lower-sparsity.mlir. }];
  let options = [Option<"explain", "explain", "bool", /*default=*/"false",
                        "report, as a remark, which term made tiles boundary ones">];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::memref::MemRefDialect"];
}

def PeelTiles : Attn_Pass<"peel-tiles"> {
  let summary = "runs full tiles in a loop without predicates, boundary ones apart";
  let description = [{ Before and after: test/passes/peel-tiles.mlir. }];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect"];
}

def HoistReads : Attn_Pass<"hoist-reads"> {
  let summary = "loads what bodies read from captured tensors once per scalar, row, column or tile";
  let description = [{ Before and after: test/passes/hoist-reads.mlir. }];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect"];
}

def PipelineTiles : Attn_Pass<"pipeline-tiles"> {
  let summary = "loads the next tile ahead of the products of this one";
  let description = [{ Before and after: test/passes/pipeline-tiles.mlir. }];
  let dependentDialects = ["::mlir::scf::SCFDialect"];
}

def MapToCpu : Attn_Pass<"map-to-cpu"> {
  let summary = "gives every tile its home in a CPU's registers or scratch, every op its body";
  let description = [{ Before and after: test/passes/map-to-cpu.mlir. }];
}

def MapToGpu : Attn_Pass<"map-to-gpu"> {
  let summary = "gives every tile its home in a GPU's threads or shared memory, every op its body";
  let description = [{ Before and after: test/passes/map-to-gpu.mlir. }];
}

#endif // HEDDLE_PASSES_PASSES_TD
