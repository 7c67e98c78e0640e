//===- AttnOps.cpp - syntax and verifiers of the surface ops -----------------------------------===//

#include "dialect/AttnOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace heddle::attn;

/// An enum as a bare keyword.
template <typename AttrT> static ParseResult parsePlain(OpAsmParser &parser, AttrT &attr) {
  using Enum = decltype(attr.getValue());
  FailureOr<Enum> value = FieldParser<Enum>::parse(parser);
  if (failed(value))
    return failure();
  attr = AttrT::get(parser.getContext(), *value);
  return success();
}
template <typename AttrT> static void printPlain(OpAsmPrinter &printer, Operation *, AttrT attr) {
  printer << stringifyEnum(attr.getValue());
}

/// `outs(out = %o : type, lse = %l : type)`
static ParseResult parseOutputs(OpAsmParser &parser,
                                SmallVectorImpl<OpAsmParser::UnresolvedOperand> &outs,
                                SmallVectorImpl<Type> &types, DenseI32ArrayAttr &outputs) {
  SmallVector<int32_t> which;
  auto one = [&]() -> ParseResult {
    FailureOr<Output> output = FieldParser<Output>::parse(parser);
    if (failed(output) || parser.parseEqual() || parser.parseOperand(outs.emplace_back()) ||
        parser.parseColonType(types.emplace_back()))
      return failure();
    which.push_back(int32_t(*output));
    return success();
  };
  if (parser.parseKeyword("outs") ||
      parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren, one))
    return failure();
  outputs = DenseI32ArrayAttr::get(parser.getContext(), which);
  return success();
}
static void printOutputs(OpAsmPrinter &printer, Operation *, OperandRange outs, TypeRange,
                         DenseI32ArrayAttr outputs) {
  printer << "outs(";
  llvm::interleaveComma(llvm::zip_equal(outputs.asArrayRef(), outs), printer, [&](auto pair) {
    auto [which, out] = pair;
    printer << stringifyEnum(Output(which)) << " = " << out << " : " << out.getType();
  });
  printer << ")";
}

template <typename OpT> static Value outputOf(OpT op, Output which, ValueRange values) {
  for (auto [number, value] : llvm::zip_equal(op.getOutputs(), values))
    if (Output(number) == which)
      return value;
  return {};
}
Value AttendOp::getOutput(Output which) { return outputOf(*this, which, getResults()); }
Value AttendOp::getOutputInit(Output which) { return outputOf(*this, which, getOuts()); }
Value RecurOp::getOutput(Output which) { return outputOf(*this, which, getResults()); }
Value RecurOp::getOutputInit(Output which) { return outputOf(*this, which, getOuts()); }

/// A region that is there takes `indices` indices and `numbers` f32 and yields one `result`.
static LogicalResult verifyRegion(Operation *op, Region &region, StringRef name, int64_t indices,
                                  int64_t numbers, Type result) { // C1
  if (region.empty())
    return success();
  Builder b(op->getContext());
  SmallVector<Type> expected(indices, b.getIndexType());
  expected.append(numbers, b.getF32Type());
  if (region.getArgumentTypes() != TypeRange(expected))
    return op->emitOpError("expected '") << name << "' to take (" << TypeRange(expected)
                                         << "), got (" << region.getArgumentTypes() << ")";
  TypeRange got = region.front().getTerminator()->getOperandTypes();
  if (got != TypeRange(result))
    return op->emitOpError("expected '")
           << name << "' to yield " << result << ", got (" << got << ")";
  return success();
}

/// The tensors written: which may be there, their ranks, and the results.
template <typename OpT>
static LogicalResult verifyOutputs(OpT op, function_ref<int64_t(Output)> rankOf) {
  if (op.getOutputs().size() != op.getOuts().size())
    return op.emitOpError("expected one name for each tensor written, got ")
           << op.getOutputs().size() << " for " << op.getOuts().size();
  if (op.getResults().getTypes() != op.getOuts().getTypes())
    return op.emitOpError("expected results of the types written, (")
           << op.getOuts().getTypes() << "), got (" << op.getResults().getTypes() << ")";
  for (auto [number, out] : llvm::zip_equal(op.getOutputs(), op.getOuts())) {
    int64_t rank = rankOf(Output(number)), got = cast<ShapedType>(out.getType()).getRank();
    if (rank < 0)
      return op.emitOpError("cannot write '") << stringifyEnum(Output(number)) << "'";
    if (rank != got)
      return op.emitOpError("expected '")
             << stringifyEnum(Output(number)) << "' to have " << rank << " axes, got " << got;
  }
  return success();
}

LogicalResult AttendOp::verify() {
  Builder b(getContext());
  Type f32 = b.getF32Type(), i1 = b.getI1Type();
  int64_t rows = getRows().size(), pair = rows + getKeys().size();
  int64_t d = getDepth() > 0, e = getColumns() > 0;
  if (failed(verifyRegion(*this, getQuery(), "query", rows + d, 0, f32)) ||
      failed(verifyRegion(*this, getKey(), "key", pair + d, 0, f32)) ||
      failed(verifyRegion(*this, getValue(), "value", pair + e, 0, f32)) ||
      failed(verifyRegion(*this, getRowScale(), "row_scale", rows, 0, f32)) ||
      failed(verifyRegion(*this, getScore(), "score", pair, getRelRow().empty() ? 1 : 2, f32)) ||
      failed(verifyRegion(*this, getKeep(), "keep", pair, 0, i1)) ||
      failed(verifyRegion(*this, getSink(), "sink", rows, 0, f32)) ||
      failed(verifyRegion(*this, getPrior(), "prior", rows + e, 0, f32)) ||
      failed(verifyRegion(*this, getRelRow(), "rel_row", rows + 1 + d, 0, f32)) ||
      failed(verifyRegion(*this, getRelAt(), "rel_at", pair, 0, b.getIndexType())) ||
      failed(verifyRegion(*this, getGrouped(), "grouped", pair, 0, i1)) ||
      failed(verifyRegion(*this, getLeader(), "leader", pair, 0, i1)) ||
      failed(verifyRegion(*this, getMap(), "map", pair, 1, f32)) ||
      failed(verifyRegion(*this, getDivide(), "divide", rows, 1, f32)) ||
      failed(verifyRegion(*this, getGate(), "gate", rows + e, 0, f32))) // C1
    return failure();
  if (getQuery().empty() != getKey().empty() || getQuery().empty() != (getDepth() == 0)) // C2
    return emitOpError("expected query and key together, with a positive depth, got depth ")
           << getDepth();
  if (getValue().empty() == bool(getOutputInit(Output::out))) // C2
    return emitOpError("expected a value if and only if 'out' is written");
  if (getValue().empty() && !getGate().empty()) // C2
    return emitOpError("expected no gate without a value");
  bool softmax = getNormaliser() == Normaliser::softmax;
  if (softmax != getMap().empty() || (softmax && !getDivide().empty()) ||
      (!softmax && !getSink().empty())) // C3
    return emitOpError("expected 'sink' with softmax only, 'map' and 'divide' with map only");
  if (!getPrior().empty() && (getSink().empty() || getValue().empty())) // C3
    return emitOpError("expected a sink and a value with 'prior'");
  bool band = !getRelRow().empty();
  if (band == getRelAt().empty() ||
      (band && (getQuery().empty() || getScore().empty() || getKeys().size() != 1)) ||
      getRelAxis() >= uint64_t(rows)) // C7
    return emitOpError("expected 'rel_row' and 'rel_at' together, with a query, a score and one "
                       "key index, along one of the rows");
  bool nested = getGroup() != 0;
  if (nested != !getGrouped().empty() || nested != !getLeader().empty() ||
      int64_t(getGroup()) < 0 ||
      (nested && (!softmax || getKeys().size() != 1 || !getSink().empty()))) // C6
    return emitOpError(
        "expected a positive 'group' with 'grouped' and 'leader', of a softmax over one "
        "key index without a sink");
  return verifyOutputs(*this, [&](Output which) -> int64_t { // C3, C4, C5
    if (which == Output::out)
      return rows + e;
    return which == Output::lse && softmax ? rows : -1;
  });
}

LogicalResult RecurOp::verify() {
  Type f32 = Builder(getContext()).getF32Type();
  int64_t rows = getRows().size();
  if (int64_t(getTime()) < 0 || int64_t(getTime()) >= rows) // C2
    return emitOpError("expected 'time' to be one of ") << rows << " rows, got " << getTime();
  if (int64_t(getDepth()) <= 0 || int64_t(getColumns()) <= 0) // C2
    return emitOpError("expected positive depth and columns, got ")
           << getDepth() << " and " << getColumns();
  if (failed(verifyRegion(*this, getQuery(), "query", rows + 1, 0, f32)) ||
      failed(verifyRegion(*this, getKey(), "key", rows + 1, 0, f32)) ||
      failed(verifyRegion(*this, getValue(), "value", rows + 1, 0, f32)) ||
      failed(verifyRegion(*this, getDecay(), "decay", rows, 0, f32)) ||
      failed(verifyRegion(*this, getDivide(), "divide", rows, 1, f32)) ||
      failed(verifyRegion(*this, getInitial(), "initial", rows + 1, 0, f32)) ||
      failed(verifyRegion(*this, getInitialSum(), "initial_sum", rows, 0, f32))) // C1
    return failure();
  return verifyOutputs(*this, [&](Output which) -> int64_t { // C3, C4
    if (which == Output::out || which == Output::state)
      return rows + 1;
    return which == Output::sum ? rows : -1;
  });
}

#define GET_OP_CLASSES
#include "dialect/AttnOps.cpp.inc"
