//===- AttnTypes.td - tiles, vectors, sequences of tile numbers --------------------------------===//

#ifndef HEDDLE_DIALECT_ATTNTYPES_TD
#define HEDDLE_DIALECT_ATTNTYPES_TD

include "dialect/AttnDialect.td"
include "mlir/IR/AttrTypeBase.td"

def Attn_Tiles : TypeDef<Attn_Dialect, "Tiles"> {
  let mnemonic = "tiles";
  let summary = "ordered tile numbers along one axis, full ones first";
}

// A tile is a static ranked tensor of rank 2, a vector one of rank 1.
class Attn_TileOf<list<int> ranks>
    : ConfinedType<TensorRankOf<[AnyFloat, AnySignlessInteger, Index], ranks>, [HasStaticShapePred],
                   "static tensor of rank " # !interleave(ranks, " or ")>;
def Attn_Tile : Attn_TileOf<[1, 2]>;
def Attn_Vector : Attn_TileOf<[1]>;

#endif // HEDDLE_DIALECT_ATTNTYPES_TD
