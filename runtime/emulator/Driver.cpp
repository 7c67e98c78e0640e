//===- Driver.cpp - libcuda's entry points on the emulator ---------------------------------------===//
//
// A shared library that stands in for libcuda.so.1, so that the real loader, the packing of arguments and
// the launch code run on any machine. One device; device memory is host memory; kernels run inside
// cuLaunchKernel. Environment: HEDDLE_EMULATOR_SEED (order of warps), HEDDLE_EMULATOR_PERTURB
// (approximate functions), HEDDLE_EMULATOR_CC (compute capability x 10, 80).
//
//===----------------------------------------------------------------------------------------===//

#include "runtime/emulator/Emulator.h"
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>

using namespace heddle::ptx;

using CUresult = int;
using CUdevice = int;
using CUdeviceptr = unsigned long long;

namespace {
enum : CUresult {
  success = 0,
  invalidValue = 1,
  outOfMemory = 2,
  notInitialised = 3,
  invalidDevice = 101,
  invalidContext = 201,
  noBinary = 209,
  invalidPtx = 218,
  unsupportedPtx = 222,
  invalidHandle = 400,
  notFound = 500,
  illegalAddress = 700,
  launchFailed = 719,
  notSupported = 801,
};

struct LoadedModule {
  std::unique_ptr<Module> module;
};

/// All state of the one device.
struct Device {
  std::mutex lock;
  bool initialised = false;
  Memory memory;
  std::map<uint64_t, void *> blocks; // what malloc gave
  std::set<LoadedModule *> modules;
  std::string fault;
  uint64_t instructions = 0;

  static uint64_t number(const char *name, uint64_t fallback) {
    const char *text = getenv(name);
    return text && *text ? strtoull(text, nullptr, 10) : fallback;
  }
  int level() const { return int(number("HEDDLE_EMULATOR_CC", 80)); }
};
Device device;
char contextHandle, streamHandle; // there is one context; streams are all in order

constexpr uint64_t redZone = 4096;

const char *nameOf(CUresult result) {
  switch (result) {
  case success:
    return "CUDA_SUCCESS";
  case invalidValue:
    return "CUDA_ERROR_INVALID_VALUE";
  case outOfMemory:
    return "CUDA_ERROR_OUT_OF_MEMORY";
  case notInitialised:
    return "CUDA_ERROR_NOT_INITIALIZED";
  case invalidDevice:
    return "CUDA_ERROR_INVALID_DEVICE";
  case invalidContext:
    return "CUDA_ERROR_INVALID_CONTEXT";
  case noBinary:
    return "CUDA_ERROR_NO_BINARY_FOR_GPU";
  case invalidPtx:
    return "CUDA_ERROR_INVALID_PTX";
  case unsupportedPtx:
    return "CUDA_ERROR_UNSUPPORTED_PTX_VERSION";
  case invalidHandle:
    return "CUDA_ERROR_INVALID_HANDLE";
  case notFound:
    return "CUDA_ERROR_NOT_FOUND";
  case illegalAddress:
    return "CUDA_ERROR_ILLEGAL_ADDRESS";
  case launchFailed:
    return "CUDA_ERROR_LAUNCH_FAILED";
  case notSupported:
    return "CUDA_ERROR_NOT_SUPPORTED";
  default:
    return "CUDA_ERROR_UNKNOWN";
  }
}

const char *wordsOf(CUresult result) {
  switch (result) {
  case success:
    return "no error";
  case noBinary:
    return "the module is for a newer device";
  case invalidPtx:
    return "the PTX was rejected";
  case launchFailed:
    return "a kernel failed in the emulator";
  case outOfMemory:
    return "out of memory";
  case notFound:
    return "no such name";
  default:
    return "the call was wrong";
  }
}

/// JIT options 5 and 6: a buffer for the log of errors, and its size.
void writeLog(unsigned count, const int *options, void **values, const std::string &text) {
  char *buffer = nullptr;
  size_t size = 0;
  for (unsigned i = 0; i < count; ++i) {
    if (options[i] == 5)
      buffer = static_cast<char *>(values[i]);
    if (options[i] == 6)
      size = reinterpret_cast<uintptr_t>(values[i]);
  }
  if (!buffer || !size)
    return;
  size_t length = std::min(size - 1, text.size());
  memcpy(buffer, text.data(), length);
  buffer[length] = 0;
}

/// Memory of the caller's that is the device's, too.
bool isOurs(CUdeviceptr address, size_t bytes) {
  auto [base, size] = device.memory.find(address);
  return bytes == 0 || (size && address - base <= size - bytes && bytes <= size);
}
} // namespace

#define ENTRY extern "C" __attribute__((visibility("default")))
using Lock = std::lock_guard<std::mutex>;

/// What the last kernel that failed did; "" if none has.
ENTRY const char *heddle_emulator_fault(void) { return device.fault.c_str(); }
/// Warp instructions of all launches so far.
ENTRY unsigned long long heddle_emulator_instructions(void) { return device.instructions; }

ENTRY CUresult cuInit(unsigned flags) {
  if (flags)
    return invalidValue;
  device.initialised = true;
  return success;
}
ENTRY CUresult cuDriverGetVersion(int *version) { return *version = 12080, success; }
ENTRY CUresult cuDeviceGetCount(int *count) {
  *count = 1;
  return device.initialised ? success : notInitialised;
}
ENTRY CUresult cuDeviceGet(CUdevice *result, int ordinal) {
  if (!device.initialised)
    return notInitialised;
  if (ordinal != 0)
    return invalidDevice;
  return *result = 0, success;
}
ENTRY CUresult cuDeviceGetName(char *name, int length, CUdevice) {
  if (length > 0) {
    strncpy(name, "Heddle PTX emulator", size_t(length) - 1);
    name[length - 1] = 0;
  }
  return success;
}
ENTRY CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice) {
  return *bytes = size_t(8) << 30, success;
}
ENTRY CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice) {
  switch (attribute) {
  case 75: // compute capability
    return *value = device.level() / 10, success;
  case 76:
    return *value = device.level() % 10, success;
  case 1: // threads of a block
    return *value = 1024, success;
  case 8: // shared memory of a block
    return *value = 48 * 1024, success;
  case 97: // the same after opting in
    return *value = 163 * 1024, success;
  case 10:
    return *value = 32, success;
  case 16:
    return *value = 1, success;
  default:
    return invalidValue;
  }
}
ENTRY CUresult cuDevicePrimaryCtxRetain(void **context, CUdevice number) {
  if (number != 0)
    return invalidDevice;
  return *context = &contextHandle, success;
}
ENTRY CUresult cuDevicePrimaryCtxRelease_v2(CUdevice) { return success; }
ENTRY CUresult cuCtxSetCurrent(void *context) {
  return context == &contextHandle || !context ? success : invalidContext;
}
ENTRY CUresult cuCtxGetCurrent(void **context) { return *context = &contextHandle, success; }
ENTRY CUresult cuCtxSynchronize(void) { return success; }

ENTRY CUresult cuModuleLoadDataEx(void **result, const void *image, unsigned count, int *options,
                                  void **values) {
  Lock lock(device.lock);
  if (!image || !result)
    return invalidValue;
  std::string error;
  std::unique_ptr<Module> module = Module::parse(static_cast<const char *>(image), error);
  if (!module) {
    writeLog(count, options, values, error);
    return invalidPtx;
  }
  if (module->targetLevel() > device.level())
    return noBinary;
  auto *loaded = new LoadedModule{std::move(module)};
  device.modules.insert(loaded);
  return *result = loaded, success;
}
ENTRY CUresult cuModuleLoadData(void **result, const void *image) {
  return cuModuleLoadDataEx(result, image, 0, nullptr, nullptr);
}
ENTRY CUresult cuModuleUnload(void *handle) {
  Lock lock(device.lock);
  auto *module = static_cast<LoadedModule *>(handle);
  if (!device.modules.erase(module))
    return invalidHandle;
  delete module;
  return success;
}
ENTRY CUresult cuModuleGetFunction(void **result, void *handle, const char *name) {
  Lock lock(device.lock);
  auto *module = static_cast<LoadedModule *>(handle);
  if (!device.modules.count(module))
    return invalidHandle;
  const Kernel *kernel = module->module->find(name);
  if (!kernel)
    return notFound;
  return *result = const_cast<Kernel *>(kernel), success;
}
ENTRY CUresult cuFuncSetAttribute(void *, int, int) { return success; }
ENTRY CUresult cuFuncGetAttribute(int *value, int attribute, void *function) {
  const Kernel &kernel = *static_cast<Kernel *>(function);
  switch (attribute) {
  case 0:
    return *value = int(maxThreads(kernel)), success;
  case 1:
    return *value = int(sharedBytes(kernel)), success;
  case 3:
    return *value = int(localBytes(kernel)), success;
  default:
    return invalidValue;
  }
}

ENTRY CUresult cuMemAlloc_v2(CUdeviceptr *result, size_t bytes) {
  Lock lock(device.lock);
  if (!bytes)
    return invalidValue;
  // 256-byte aligned as on a device, with a zone around it that belongs to nobody.
  void *block = bytes < (size_t(1) << 40) ? malloc(bytes + 2 * redZone + 256) : nullptr;
  if (!block)
    return outOfMemory;
  memset(block, 0xff, bytes + 2 * redZone + 256);
  uint64_t base = (reinterpret_cast<uint64_t>(block) + redZone + 255) / 256 * 256;
  device.blocks[base] = block;
  device.memory.add(base, bytes);
  return *result = base, success;
}
ENTRY CUresult cuMemFree_v2(CUdeviceptr address) {
  Lock lock(device.lock);
  auto found = device.blocks.find(address);
  if (found == device.blocks.end())
    return invalidValue;
  free(found->second);
  device.memory.remove(address);
  device.blocks.erase(found);
  return success;
}
ENTRY CUresult cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *bytes, CUdeviceptr address) {
  Lock lock(device.lock);
  auto [start, size] = device.memory.find(address);
  if (!size)
    return notFound;
  return *base = start, *bytes = size, success;
}
ENTRY CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes) {
  Lock lock(device.lock);
  if (!isOurs(to, bytes))
    return invalidValue;
  return memcpy(reinterpret_cast<void *>(to), from, bytes), success;
}
ENTRY CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes) {
  Lock lock(device.lock);
  if (!isOurs(from, bytes))
    return invalidValue;
  return memcpy(to, reinterpret_cast<void *>(from), bytes), success;
}
ENTRY CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  Lock lock(device.lock);
  if (!isOurs(from, bytes) || !isOurs(to, bytes))
    return invalidValue;
  return memmove(reinterpret_cast<void *>(to), reinterpret_cast<void *>(from), bytes), success;
}
ENTRY CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t bytes) {
  Lock lock(device.lock);
  if (!isOurs(to, bytes))
    return invalidValue;
  return memset(reinterpret_cast<void *>(to), value, bytes), success;
}
ENTRY CUresult cuStreamCreate(void **stream, unsigned) { return *stream = &streamHandle, success; }
ENTRY CUresult cuStreamSynchronize(void *) { return success; }
ENTRY CUresult cuStreamDestroy_v2(void *) { return success; }

ENTRY CUresult cuLaunchKernel(void *function, unsigned gridX, unsigned gridY, unsigned gridZ,
                              unsigned blockX, unsigned blockY, unsigned blockZ, unsigned shared,
                              void *, void **parameters, void **extra) {
  Lock lock(device.lock);
  if (!function || extra)
    return extra ? notSupported : invalidHandle;
  const Kernel &kernel = *static_cast<Kernel *>(function);
  std::vector<uint32_t> offsets = parameterOffsets(kernel), sizes = parameterSizes(kernel);
  std::vector<uint8_t> bytes(offsets.empty() ? 0 : offsets.back() + sizes.back());
  for (size_t i = 0; i < sizes.size(); ++i)
    memcpy(bytes.data() + offsets[i], parameters[i], sizes[i]);
  uint32_t grid[] = {gridX, gridY, gridZ}, block[] = {blockX, blockY, blockZ};
  LaunchOptions options;
  options.seed = Device::number("HEDDLE_EMULATOR_SEED", 0);
  options.perturb = Device::number("HEDDLE_EMULATOR_PERTURB", 0);
  LaunchResult result = launch(kernel, device.memory, grid, block, shared, bytes, options);
  device.instructions += result.warpInstructions;
  if (result.good)
    return success;
  device.fault = result.fault;
  return launchFailed;
}

ENTRY CUresult cuGetErrorName(CUresult result, const char **name) {
  return *name = nameOf(result), success;
}
ENTRY CUresult cuGetErrorString(CUresult result, const char **words) {
  return *words = wordsOf(result), success;
}
