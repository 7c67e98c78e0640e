//===- AttnInterfaces.td - what tiling and mapping ask of an op --------------------------------===//

#ifndef HEDDLE_DIALECT_ATTNINTERFACES_TD
#define HEDDLE_DIALECT_ATTNINTERFACES_TD

include "mlir/IR/OpBase.td"

def TileOpInterface : OpInterface<"TileOpInterface"> {
  let cppNamespace = "::heddle::attn";
  let description = [{
    An op that makes tiles. What a mapping must know of it stands here and not in a ladder of casts.
  }];
  let methods = [
    InterfaceMethod<[{
        The operand whose home the first result may take over when this op is its only later use, or
        null: the accumulator of a product, the tile a map or a scan reads element by element.
      }], "::mlir::OpOperand *", "getInPlaceOperand">
  ];
}

#endif // HEDDLE_DIALECT_ATTNINTERFACES_TD
