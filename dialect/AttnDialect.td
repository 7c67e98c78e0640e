//===- AttnDialect.td - the dialect of attention -----------------------------------------------===//

#ifndef HEDDLE_DIALECT_ATTNDIALECT_TD
#define HEDDLE_DIALECT_ATTNDIALECT_TD

include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Attn_Dialect : Dialect {
  let name = "attn";
  let cppNamespace = "::heddle::attn";
  let summary = "attention, from what is computed down to tiles";
  let description = [{
    Two levels. *Surface* ops (`attend`, `recur`) say what is computed, over tensors, every
    expression of a spec a region. *Tile* ops (`visit`, `load`, `strips`, `contract`, `map`, ...)
    say how far along we are: values are static tensors that are never bufferized, memory is memref.
    Only `yield` is on both levels.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::mlir::tensor::TensorDialect"];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let discardableAttrs = (ins "::heddle::attn::ScheduleAttr":$schedule,
                              "::mlir::ArrayAttr":$homes,
                              "::mlir::StringAttr":$plain, "::mlir::StringAttr":$loops,
                              "::mlir::UnitAttr":$sorted, "::mlir::UnitAttr":$masked);
  let hasOperationAttrVerify = 1;
}

class Attn_Op<string mnemonic, list<Trait> traits = []> : Op<Attn_Dialect, mnemonic, traits>;

// An op with a body is as pure as its body: a mask may read memory. Without these two traits CSE,
// LICM and dead code elimination take it for a call of unknown code.
class Attn_BodyOp<string mnemonic, list<Trait> traits = []>
    : Attn_Op<mnemonic, [SingleBlock, RecursiveMemoryEffects, RecursivelySpeculatable] # traits>;

#endif // HEDDLE_DIALECT_ATTNDIALECT_TD
