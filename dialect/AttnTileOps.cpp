//===- AttnTileOps.cpp - syntax that ODS cannot say, verifiers, folds of the tile ops ----------===//

#include "dialect/AttnOps.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

using namespace mlir;
using namespace heddle::attn;

/// One element per row of `tile`: the type of a decay.
static Type rowVector(Type tile) {
  auto type = cast<RankedTensorType>(tile);
  return RankedTensorType::get(type.getShape().take_front(), type.getElementType());
}

/// `%lo to %hi, %lo to %hi`
static ParseResult parseIntervals(OpAsmParser &parser,
                                  SmallVectorImpl<OpAsmParser::UnresolvedOperand> &ends) {
  return parser.parseCommaSeparatedList([&]() -> ParseResult {
    return failure(parser.parseOperand(ends.emplace_back()) || parser.parseKeyword("to") ||
                   parser.parseOperand(ends.emplace_back()));
  });
}
static void printIntervals(OpAsmPrinter &printer, Operation *, OperandRange ends) {
  for (unsigned i = 0; i + 1 < ends.size(); i += 2)
    printer << (i ? ", " : "") << ends[i] << " to " << ends[i + 1];
}

static SmallVector<Type> elementTypes(TypeRange tiles) {
  return llvm::map_to_vector(tiles, [](Type tile) { return getElementTypeOrSelf(tile); });
}

/// What a body takes or yields, against what its op says it should.
static LogicalResult verifyTypes(Operation *op, TypeRange got, TypeRange expected,
                                 const char *what) {
  if (got == expected)
    return success();
  return op->emitOpError("expected a body that ")
         << what << " (" << expected << "), got (" << got << ")";
}
static LogicalResult verifyYield(Operation *op, Region &body, TypeRange expected) {
  return verifyTypes(op, body.front().getTerminator()->getOperandTypes(), expected, "yields");
}

LogicalResult VisitOp::verify() {
  if (getFull().size() % 2 || getBoundary().size() % 2) // C1
    return emitOpError("expected intervals, got a lower end without its upper end");
  if (getKeep().empty() != !getAt() || (getAt() && getFull().size() + getBoundary().size())) // C2
    return emitOpError("expected either 'keep' or intervals");
  if (getKeep().empty())
    return success();
  if (getOf().size() != 2 || getTile().size() != 2 ||
      llvm::any_of(getTile(), [](int64_t size) { return size <= 0; })) // C3
    return emitOpError("expected two limits and two positive tile sizes");
  Builder b(getContext());
  if (failed(verifyTypes(*this, getKeep().getArgumentTypes(), {b.getI32Type(), b.getI32Type()},
                         "takes"))) // C3
    return failure();
  return verifyYield(*this, getKeep(), b.getI1Type()); // C3
}

LogicalResult ShearOp::verify() {
  ArrayRef<int64_t> band = getTile().getType().getShape(), tile = getResult().getType().getShape();
  if (band[0] != tile[0] || band[1] != tile[1] + tile[0] - 1) // C1
    return emitOpError("expected ") << tile[0] << " rows of " << tile[1] + tile[0] - 1
                                    << " columns, got " << band[0] << " of " << band[1];
  return success();
}

LogicalResult FilterOp::verify() {
  Builder b(getContext());
  if (failed(verifyTypes(*this, getBody().getArgumentTypes(), b.getIndexType(), "takes"))) // C1
    return failure();
  return verifyYield(*this, getBody(), {b.getI1Type(), b.getI1Type()}); // C1
}

template <typename OpT> static LogicalResult verifyMemory(OpT op) {
  auto memory = cast<MemRefType>(op.getMemory().getType());
  auto tile = cast<RankedTensorType>(op.getTile().getType());
  int64_t indices = op.getStaticIndices().size();
  if (indices != memory.getRank() || tile.getRank() > memory.getRank()) // C1
    return op.emitOpError("expected ")
           << memory.getRank() << " indices and at most as many tile "
           << "dimensions, got " << indices << " and " << tile.getRank();
  Type from = memory.getElementType(), to = tile.getElementType();
  if (from != to && !(isa<FloatType>(from) && isa<FloatType>(to))) // C2
    return op.emitOpError("cannot convert between ") << from << " and " << to;
  auto vector = RankedTensorType::get(tile.getDimSize(0), IntegerType::get(op.getContext(), 32));
  if (llvm::any_of(op.getList().getTypes(), [&](Type type) { return type != vector; }) ||
      int64_t(op.getList().size()) > memory.getRank() - tile.getRank() + 1) // C3
    return op.emitOpError("expected no more lists than leading dimensions, each ") << vector;
  return success();
}
LogicalResult LoadOp::verify() { return verifyMemory(*this); }
LogicalResult StoreOp::verify() { return verifyMemory(*this); }

SmallVector<Region *> StripsOp::getLoopRegions() { return {&getBody()}; }

LogicalResult StripsOp::verify() {
  SmallVector<Type> strips;
  int64_t width = getWidth();
  for (Type type : getOperandTypes()) {
    auto tile = cast<RankedTensorType>(type);
    if (width <= 0 || tile.getDimSize(0) % width) // C1
      return emitOpError("expected a width that divides ")
             << tile.getDimSize(0) << " rows, got " << width;
    SmallVector<int64_t> shape(tile.getShape());
    shape[0] = width;
    strips.push_back(RankedTensorType::get(shape, tile.getElementType()));
  }
  if (failed(verifyTypes(*this, getBody().getArgumentTypes(), strips, "takes"))) // C2
    return failure();
  if (getResultTypes() != getCarried().getTypes()) // C3
    return emitOpError("expected results of the types carried");
  return verifyYield(*this, getBody(), TypeRange(strips).take_back(getCarried().size())); // C3
}

LogicalResult ContractOp::verify() {
  ArrayRef<int64_t> a = getLhs().getType().getShape(), b = getRhs().getType().getShape();
  ArrayRef<int64_t> c = getResult().getType().getShape();
  bool at = getLhsT(), bt = getRhsT();
  if (a[at] != c[0] || a[!at] != b[bt] || b[!bt] != c[1]) // C1
    return emitOpError("expected (rows x inner) (inner x columns), got (")
           << a[at] << " x " << a[!at] << ") (" << b[bt] << " x " << b[!bt] << ") for " << c[0]
           << " x " << c[1];
  if (!getSpan().empty() && getSpan().size() != 2) // C2
    return emitOpError("expected a span from one row to another");
  return success();
}

/// A span of all rows is none.
OpFoldResult ContractOp::fold(FoldAdaptor adaptor) {
  ArrayRef<Attribute> span = adaptor.getSpan();
  if (span.empty() || !span[0] || !span[1] || getConstantIntValue(span[0]) != 0 ||
      getConstantIntValue(span[1]) != getRhs().getType().getDimSize(0))
    return {};
  getSpanMutable().clear();
  return getResult();
}

SmallVector<Region *> MapOp::getLoopRegions() { return {&getBody()}; }

LogicalResult MapOp::verify() {
  auto tile = cast<RankedTensorType>(getResult().getType());
  ArrayRef<int64_t> shape = tile.getShape();
  auto isShape = [](ArrayRef<int64_t> expected) {
    return [=](Type type) { return cast<RankedTensorType>(type).getShape() == expected; };
  };
  if (!llvm::all_of(getTiles().getTypes(), isShape(shape)) ||
      !llvm::all_of(getRows().getTypes(), isShape(shape.take_front())) ||
      !llvm::all_of(getCols().getTypes(), isShape(shape.drop_front()))) // C1
    return emitOpError("expected tiles, rows and cols of the result's shape, ") << tile;
  if (failed(verifyTypes(*this, getBody().getArgumentTypes(), elementTypes(getOperandTypes()),
                         "takes"))) // C2
    return failure();
  if (failed(verifyYield(*this, getBody(), tile.getElementType()))) // C3
    return failure();
  if (!getReduce() != !getReduced()) // C4
    return emitOpError("expected a second result if and only if it reduces");
  if (!getReduce())
    return success();
  int64_t count = getPer() == Axis::row ? shape.front() : shape.back();
  auto expected = RankedTensorType::get(count, tile.getElementType());
  if (tile.getRank() != 2 || getReduced().getType() != expected) // C4
    return emitOpError("expected a reduction of type ") << expected;
  return success();
}

/// A rule as a bare keyword.
static ParseResult parsePlainRule(OpAsmParser &parser, RuleAttr &rule) {
  FailureOr<Rule> value = FieldParser<Rule>::parse(parser);
  if (failed(value))
    return failure();
  rule = RuleAttr::get(parser.getContext(), *value);
  return success();
}
static void printPlainRule(OpAsmPrinter &printer, Operation *, RuleAttr rule) {
  printer << stringifyEnum(rule.getValue());
}

LogicalResult AdvanceOp::verify() {
  auto q = getQuery().getType(), k = getKey().getType(), v = getValue().getType();
  auto s = getState().getType();
  int64_t tokens = q.getDimSize(0), depth = q.getDimSize(1), columns = v.getDimSize(1);
  if (k.getShape() != q.getShape() || v.getDimSize(0) != tokens ||
      s.getShape() != ArrayRef<int64_t>({depth, columns})) // C1
    return emitOpError("expected tokens x depth twice, tokens x columns and depth x columns, got ")
           << q << ", " << k << ", " << v << " and " << s;
  if (getDecay() && cast<ShapedType>(getDecay().getType()).getDimSize(0) != tokens) // C2
    return emitOpError("expected one decay for each of ") << tokens << " tokens";
  if (getSum() && cast<ShapedType>(getSum().getType()).getDimSize(0) != depth) // C2
    return emitOpError("expected a sum of ") << depth << " elements";
  if (getOut().getType() != v || getLast().getType() != s) // C3
    return emitOpError("expected results like value and state, got ")
           << getOut().getType() << " and " << getLast().getType();
  if (bool(getNorm()) != bool(getSum()) || bool(getLastSum()) != bool(getSum())) // C3
    return emitOpError("expected a norm and a last sum if and only if there is a sum");
  if (getSum() && (getLastSum().getType() != getSum().getType() ||
                   cast<ShapedType>(getNorm().getType()).getDimSize(0) != tokens)) // C3
    return emitOpError("expected one norm for each of ") << tokens << " tokens";
  return success();
}

OpOperand *ContractOp::getInPlaceOperand() { return getAcc() ? &getAccMutable()[0] : nullptr; }
/// The body sees one element of each tile: the first tile of the result's type may be overwritten.
OpOperand *MapOp::getInPlaceOperand() {
  for (OpOperand &tile : getTilesMutable())
    if (tile.get().getType() == getResult().getType())
      return &tile;
  return nullptr;
}
OpOperand *ScanOp::getInPlaceOperand() { return &getTileMutable(); }

#include "dialect/AttnInterfaces.cpp.inc"
#define GET_OP_CLASSES
#include "dialect/AttnTileOps.cpp.inc"
