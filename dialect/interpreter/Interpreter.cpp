//===- Interpreter.cpp - the main loop -----------------------------------------------------===//

#include "dialect/interpreter/Interpreter.h"
#include "dialect/interpreter/Machine.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace heddle;

bool Machine::fail(Operation *op, const Twine &what) {
  llvm::raw_string_ostream out(error);
  out << op->getLoc() << ": " << op->getName() << ": " << what.str();
  return false;
}

void Machine::set(Operation *op, Slots results) {
  for (auto [result, slot] : llvm::zip_equal(op->getResults(), results))
    env[result] = std::move(slot);
}

bool Machine::give(Operation *op, Slot result) {
  env[op->getResult(0)] = std::move(result);
  return true;
}

bool Machine::give(Operation *op, double result) {
  env[op->getResult(0)] = result;
  return true;
}

bool Machine::run(Block &block, Slots &&arguments, Slots &results) {
  for (auto [argument, slot] : llvm::zip_equal(block.getArguments(), arguments))
    env[argument] = std::move(slot);
  for (Operation &op : block.without_terminator()) {
    if (options.maxOps && ++numOps > options.maxOps) {
      if (options.gaveUp)
        *options.gaveUp = "takes too long at these sizes; give smaller ones by --shape";
      return fail(&op, "more than " + Twine(options.maxOps) + " operations");
    }
    if (!eval(&op))
      return false;
  }
  results.clear();
  for (Value value : block.getTerminator()->getOperands())
    results.push_back(env[value]);
  return true;
}

bool Machine::eval(Operation *op) {
  bool known = false;
  if (isa<arith::ConstantOp>(op))
    return evalConstant(op);
  if (isa<affine::AffineApplyOp, affine::AffineMinOp, affine::AffineMaxOp>(op))
    return evalAffine(op);
  if (!evalElementwise(op, known) || known)
    return error.empty();
  if (!evalMemory(op, known) || known)
    return error.empty();
  if (!evalTile(op, known) || known)
    return error.empty();
  if (auto attend = dyn_cast<attn::AttendOp>(op))
    return evalAttend(attend);
  if (auto recur = dyn_cast<attn::RecurOp>(op))
    return evalRecur(recur);
  return fail(op, "cannot be interpreted");
}

/// The argument that a returned tensor is to be written to, or -1.
static int64_t destination(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    unsigned number = cast<OpResult>(value).getResultNumber();
    if (auto attend = dyn_cast<attn::AttendOp>(op))
      value = attend.getOuts()[number];
    else if (auto recur = dyn_cast<attn::RecurOp>(op))
      value = recur.getOuts()[number];
    else
      return -1;
  }
  auto argument = cast<BlockArgument>(value);
  return isa<func::FuncOp>(argument.getOwner()->getParentOp()) ? argument.getArgNumber() : -1;
}

/// An argument has the rank and the static sizes of its type, and as many elements as its shape
/// says.
static bool fits(Type type, const Array &argument) {
  auto shaped = dyn_cast<ShapedType>(type);
  if (argument.data.size() != Array::count(argument.shape))
    return false;
  if (!shaped)
    return argument.isScalar();
  if (!shaped.hasRank() || size_t(shaped.getRank()) != argument.shape.size())
    return false;
  for (auto [expected, got] : llvm::zip_equal(shaped.getShape(), argument.shape))
    if (got < 0 || (!ShapedType::isDynamic(expected) && expected != got))
      return false;
  return true;
}

bool Machine::runFunction(func::FuncOp function, MutableArrayRef<Array> arguments,
                          std::vector<Array> *returned) {
  if (function.isExternal() || !function.getBody().hasOneBlock())
    return fail(function, "expected a body of one block");
  Block &entry = function.front();
  if (entry.getNumArguments() != arguments.size())
    return fail(function, "expected " + Twine(entry.getNumArguments()) + " arguments, got " +
                              Twine(arguments.size()));
  for (auto [i, argument] : llvm::enumerate(arguments))
    if (!fits(entry.getArgument(i).getType(), argument))
      return fail(function, "argument " + Twine(i) + " does not have the shape of its type");
  Slots slots, results;
  std::vector<std::shared_ptr<Array>> memories(arguments.size());
  for (auto [i, argument] : llvm::enumerate(arguments)) {
    bool isMemory = isa<ShapedType>(entry.getArgument(i).getType());
    if (isMemory)
      memories[i] = std::make_shared<Array>(std::move(argument));
    slots.push_back(isMemory ? Slot(memories[i]) : Slot(argument));
  }
  bool good = run(entry, std::move(slots), results);
  for (auto [i, memory] : llvm::enumerate(memories))
    if (memory)
      arguments[i] = *memory;
  if (!good)
    return false;
  for (auto [value, slot] : llvm::zip_equal(entry.getTerminator()->getOperands(), results)) {
    const Array &whole = slot.memory ? *slot.memory : slot.array;
    int64_t to = slot.memory ? destination(value) : -1;
    if (to >= 0)
      arguments[to] = whole;
    if (returned)
      returned->push_back(whole);
  }
  return true;
}

bool heddle::interpret(func::FuncOp function, MutableArrayRef<Array> arguments,
                       const InterpreterOptions &options, std::string &error,
                       std::vector<Array> *returned) {
  Machine machine(options);
  bool good = machine.runFunction(function, arguments, returned);
  error = machine.error;
  return good;
}
