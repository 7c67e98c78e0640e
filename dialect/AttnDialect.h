//===- AttnDialect.h - the dialect, its attributes, enums and types ----------------------------===//

#ifndef HEDDLE_DIALECT_ATTNDIALECT_H
#define HEDDLE_DIALECT_ATTNDIALECT_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpImplementation.h"

#include "dialect/AttnEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialect/AttnAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialect/AttnTypes.h.inc"

#include "dialect/AttnDialect.h.inc" // last: it names the attributes

#endif // HEDDLE_DIALECT_ATTNDIALECT_H
