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

def CheckTileLevel : Attn_Pass<"check-tile-level"> {
  let summary = "fails on an op that does not belong between tiling and mapping";
  let description = [{ What passes and what does not: test/passes/check-tile-level.mlir. }];
}

def FoldScale : Attn_Pass<"fold-scale"> {
  let summary = "multiplies a constant factor of the score into the scale";
  let description = [{ Before and after: test/passes/fold-scale.mlir. }];
  let options = [Option<"explain", "explain", "bool", /*default=*/"false",
                        "report, as a remark, why a score was left alone">];
}

def ChooseSchedule : Attn_Pass<"choose-schedule"> {
  let summary = "decides tile sizes and the rest of #attn.schedule from target, shapes and wishes";
  let description = [{ Before and after: test/passes/choose-schedule.mlir. }];
  let options = [Option<"target", "target", "std::string", /*default=*/"\"x86-64-v3\"",
                        "a row of the target table">,
                 Option<"set", "set", "std::string", /*default=*/"\"\"",
                        "fields to override: query=96,key=64">];
}

def TileAttend : Attn_Pass<"tile-attend"> {
  let summary = "turns attend into tile ops: a grid of query tiles, a loop over key tiles";
  let description = [{ Before and after: test/passes/tile-attend.mlir. }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
}

def TileRecur : Attn_Pass<"tile-recur"> {
  let summary = "turns recur into tile ops: a loop over chunks of tokens that advances the state";
  let description = [{ Before and after: test/passes/tile-recur.mlir. }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
}

def SplitIntraInter : Attn_Pass<"split-intra-inter"> {
  let summary = "splits a recurrence into products inside a chunk and products with the state";
  let description = [{ Before and after: test/passes/split-intra-inter.mlir. }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
}

def LowerSparsity : Attn_Pass<"lower-sparsity"> {
  let summary = "gives every visit its closed-form intervals of full and boundary tiles, or a filter";
  let description = [{ Before and after: test/passes/lower-sparsity.mlir, plan-tiles.mlir. }];
  let options = [Option<"explain", "explain", "bool", /*default=*/"false",
                        "report, as a remark, which term made tiles boundary ones">];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

def PeelTiles : Attn_Pass<"peel-tiles"> {
  let summary = "runs full tiles in a loop without predicates, boundary ones apart";
  let description = [{ Before and after: test/passes/peel-tiles.mlir. }];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect"];
}

def HoistReads : Attn_Pass<"hoist-reads"> {
  let summary = "loads what bodies read from captured tensors once per scalar, row, column or tile";
  let description = [{ Before and after: test/passes/hoist-reads.mlir. }];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect"];
}

def PipelineTiles : Attn_Pass<"pipeline-tiles"> {
  let summary = "loads the next tile ahead of the products of this one";
  let description = [{ Before and after: test/passes/pipeline-tiles.mlir. }];
  let options = [Option<"stages", "stages", "int64_t", /*default=*/"0",
                        "tiles in flight, this one included; 0: what the schedule says">];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect"];
}

def CutProducts : Attn_Pass<"cut-products"> {
  let summary = "computes of products of boundary tiles only what the mask keeps, in spans and registers";
  let description = [{ Before and after: test/passes/cut-products.mlir, test/passes/cut-products-rows.mlir,
    test/passes/cut-products-alike.mlir. }];
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
