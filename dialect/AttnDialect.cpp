//===- AttnDialect.cpp - registration, attribute verifiers -------------------------------------===//

#include "dialect/AttnDialect.h"
#include "dialect/AttnOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace heddle::attn;

#include "dialect/AttnDialect.cpp.inc"
#include "dialect/AttnEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialect/AttnAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialect/AttnTypes.cpp.inc"

void AttnDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialect/AttnAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialect/AttnTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialect/AttnOps.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialect/AttnTileOps.cpp.inc"
      >();
}

/// What hangs on ops of other dialects: a schedule on the kernel's function, homes on what makes tiles.
LogicalResult AttnDialect::verifyOperationAttribute(Operation *op, NamedAttribute attribute) {
  if (attribute.getName() == getScheduleAttrHelper().getName() &&
      !isa<ScheduleAttr>(attribute.getValue()))
    return op->emitError("expected a #attn.schedule, got ") << attribute.getValue();
  if (attribute.getName() == getHomesAttrHelper().getName() &&
      !isa<ArrayAttr>(attribute.getValue()))
    return op->emitError("expected an array of homes, got ") << attribute.getValue();
  return success();
}

static LogicalResult positive(function_ref<InFlightDiagnostic()> emitError, StringRef what,
                              int64_t value) {
  if (value > 0)
    return success();
  return emitError() << "expected " << what << " to be positive, got " << value;
}

LogicalResult ScheduleAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t query,
                                   int64_t key, int64_t strip, int64_t chunk, int64_t columns,
                                   int64_t stages, Form, CpuScheduleAttr, GpuScheduleAttr) {
  if (failed(positive(emitError, "query", query)) || failed(positive(emitError, "key", key)) ||
      failed(positive(emitError, "strip", strip)) || failed(positive(emitError, "chunk", chunk)) ||
      failed(positive(emitError, "stages", stages))) // C1
    return failure();
  if (columns < 0) // C1
    return emitError() << "expected columns not to be negative, got " << columns;
  if (query % strip) // C2
    return emitError() << "expected a strip that divides " << query << " queries, got " << strip;
  return success();
}

LogicalResult CpuScheduleAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t lanes,
                                      int64_t rows, int64_t vectors, int64_t degree) {
  if (failed(positive(emitError, "lanes", lanes)) || failed(positive(emitError, "rows", rows)) ||
      failed(positive(emitError, "vectors", vectors)))
    return failure();
  if (degree < 4 || degree > 6)
    return emitError() << "expected exp_degree to be 4, 5 or 6, got " << degree;
  return success();
}

LogicalResult GpuScheduleAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                      int64_t threads) {
  return positive(emitError, "threads", threads);
}
