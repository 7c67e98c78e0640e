//===- NvvmFacade.cpp - NVPTX intrinsics -------------------------------------------------------===//
//
// By name, through llvm.call_intrinsic: the NVVM dialect's header alone costs 19 s of compile time.
//
//===----------------------------------------------------------------------------------------===//

#include "codegen/nvptx/NvvmFacade.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace heddle;

static Value call(OpBuilder &b, Location loc, Type type, StringRef name, ValueRange arguments) {
  auto intrinsic = b.getStringAttr(name);
  return LLVM::CallIntrinsicOp::create(b, loc, type, intrinsic, arguments).getResult(0);
}

Value nvptx::threadId(OpBuilder &b, Location loc) {
  return call(b, loc, b.getI32Type(), "llvm.nvvm.read.ptx.sreg.tid.x", {});
}

Value nvptx::blockId(OpBuilder &b, Location loc) {
  return call(b, loc, b.getI32Type(), "llvm.nvvm.read.ptx.sreg.ctaid.x", {});
}

void nvptx::barrier(OpBuilder &b, Location loc) {
  Value number = LLVM::ConstantOp::create(b, loc, b.getI32IntegerAttr(0));
  auto name = b.getStringAttr("llvm.nvvm.barrier.cta.sync.aligned.all");
  LLVM::CallIntrinsicOp::create(b, loc, name, ValueRange{number});
}

Value nvptx::exp2Approx(OpBuilder &b, Location loc, Value x) {
  return call(b, loc, b.getF32Type(), "llvm.nvvm.ex2.approx.ftz.f32", x);
}

void nvptx::markKernel(Operation *kernel, int64_t threads) {
  Builder b(kernel->getContext());
  auto function = cast<LLVM::LLVMFuncOp>(kernel);
  function.setCConv(LLVM::cconv::CConv::PTX_Kernel);
  auto entry = b.getStrArrayAttr({"nvvm.maxntid", std::to_string(threads)});
  // One block at least on a multiprocessor: ptxas then takes the registers it needs, and spills none.
  auto blocks = b.getStrArrayAttr({"nvvm.minctasm", "1"});
  function.setPassthroughAttr(b.getArrayAttr({entry, blocks}));
}
