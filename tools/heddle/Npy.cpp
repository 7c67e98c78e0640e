//===- Npy.cpp - numpy's file format, one array a file -----------------------------------------===//

#include "Npy.h"
#include "Files.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;
using namespace heddle;

int64_t heddle::npyElementSize(StringRef descr) {
  return StringSwitch<int64_t>(descr)
      .Cases({"<f4", "<i4"}, 4)
      .Cases({"<f2", "<u2"}, 2)
      .Cases({"|i1", "|b1"}, 1)
      .Default(0);
}

static Error fault(StringRef path, const Twine &what) {
  return createStringError(inconvertibleErrorCode(), Twine(path) + ": " + what);
}

/// The text behind `'key':` in the header, a Python dictionary with simple values.
static std::optional<StringRef> valueOf(StringRef header, StringRef key) {
  size_t at = header.find(("'" + key + "'").str());
  if (at == StringRef::npos)
    return std::nullopt;
  StringRef rest = header.substr(at + key.size() + 2).ltrim();
  if (!rest.consume_front(":"))
    return std::nullopt;
  return rest.ltrim();
}

static Error parseShape(StringRef path, StringRef text, NpyArray &array, int64_t &count) {
  if (!text.consume_front("(") || text.find(')') == StringRef::npos)
    return fault(path, "its header has no shape");
  SmallVector<StringRef> sizes;
  text.substr(0, text.find(')')).split(sizes, ',', -1, /*KeepEmpty=*/false);
  count = 1;
  for (StringRef size : sizes) {
    int64_t value;
    if (size.trim().empty())
      continue;
    if (size.trim().getAsInteger(10, value) || value < 0 || value > (int64_t(1) << 40) ||
        MulOverflow(count, value, count))
      return fault(path, "cannot have the size '" + size.trim() + "'");
    array.shape.push_back(value);
  }
  if (array.shape.size() > 8)
    return fault(path, "has " + Twine(array.shape.size()) + " axes; at most 8 are supported");
  return Error::success();
}

static Error parseHeader(StringRef path, StringRef header, NpyArray &array, int64_t &count) {
  std::optional<StringRef> descr = valueOf(header, "descr"),
                           order = valueOf(header, "fortran_order"),
                           shape = valueOf(header, "shape");
  if (!descr || !order || !shape)
    return fault(path, "its header lacks descr, fortran_order or shape");
  if (order->starts_with("True"))
    return fault(path, "is in Fortran order; save numpy.ascontiguousarray(x)");
  if (!descr->consume_front("'"))
    return fault(path, "holds records; save a plain array");
  array.descr = descr->take_until([](char c) { return c == '\''; }).str();
  StringRef type = array.descr;
  if (type.contains('O'))
    return fault(path, "holds Python objects; save an array of numbers");
  if (type.starts_with(">"))
    return fault(path, "is big endian ('" + type + "'); save x.astype(x.dtype.newbyteorder('<'))");
  if (type == "<f8")
    return fault(path, "is float64; save x.astype(numpy.float32)");
  if (type == "<i8")
    return fault(path, "is int64; save x.astype(numpy.int32)");
  if (!npyElementSize(type))
    return fault(path, "has elements '" + type +
                           "'; supported: <f4, <f2, <u2 (the bits of a bf16), <i4, |i1, |b1");
  return parseShape(path, *shape, array, count);
}

Expected<NpyArray> heddle::readNpy(StringRef path) {
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return fault(path, buffer.getError().message());
  StringRef bytes = (*buffer)->getBuffer();
  if (!bytes.starts_with("\x93NUMPY") || bytes.size() < 10)
    return fault(path, "is not a .npy file");
  uint8_t version = bytes[6];
  if (version < 1 || version > 3)
    return fault(path, "has version " + Twine(version) + "; supported: 1, 2, 3");
  size_t start = version == 1 ? 10 : 12;
  if (bytes.size() < start)
    return fault(path, "is cut off in its header");
  size_t length = version == 1 ? support::endian::read16le(bytes.data() + 8)
                               : support::endian::read32le(bytes.data() + 8);
  if (bytes.size() - start < length)
    return fault(path, "is cut off in its header");
  NpyArray array;
  int64_t count = 0;
  if (Error error = parseHeader(path, bytes.substr(start, length), array, count))
    return std::move(error);
  StringRef data = bytes.substr(start + length);
  uint64_t expected = uint64_t(count) * npyElementSize(array.descr);
  if (data.size() < expected)
    return fault(path, "is cut off: " + Twine(data.size()) + " bytes of " + Twine(expected));
  if (data.size() > expected)
    return fault(path, "has " + Twine(data.size() - expected) + " bytes too many for its shape");
  array.bytes.assign(data.begin(), data.end());
  return array;
}

Error heddle::writeNpy(StringRef path, const NpyArray &array) {
  std::string header = "{'descr': '" + array.descr + "', 'fortran_order': False, 'shape': (";
  for (int64_t size : array.shape)
    header += utostr(size) + ",";
  header += "), }";
  size_t used = 10 + header.size() + 1; // numpy aligns the data to 64
  header.append(alignTo(used, 64) - used, ' ');
  header += '\n';
  std::string file("\x93NUMPY\x01\x00", 8);
  file += char(header.size() & 0xff);
  file += char(header.size() >> 8);
  file += header;
  file.append(array.bytes.begin(), array.bytes.end());
  return writeFile(path, file);
}
