// Opens models that onnxdc compressed, runs each once and prints its outputs, and what opening it took.
//
//   open_model MODEL.onnx...            unpacks each model with onnxdc, then creates a session
//   open_model --direct MODEL.onnx...   gives each file to onnxruntime as it is, compressed or not
//
// open_models() and unpack() have all that a program needs of onnxdc.
#include <onnxdc.h>
#include <onnxruntime_c_api.h>

#ifdef _WIN32
#include <windows.h>
// After the header that it builds on.
#include <psapi.h>
#else
#include <sys/resource.h>
#endif

#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

const OrtApi* ort;

void check(OrtStatus* status) {
    if (!status) return;
    const std::string message = ort->GetErrorMessage(status);
    ort->ReleaseStatus(status);
    throw std::runtime_error(message);
}

// Something of onnxruntime, which is given back in the end.
template <class T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

std::vector<char> read_file(const char* path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error(std::string(path) + " cannot be read");
    file.seekg(0, std::ios::end);
    std::vector<char> bytes(static_cast<size_t>(file.tellg()));
    file.seekg(0);
    file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return bytes;
}

struct Model {
    std::unique_ptr<void, void (*)(void*)> bytes{nullptr, onnxdc_free};
    size_t size = 0;
};

// Nothing of it goes to the disk. The compressed file is let go before the session is created.
Model unpack(const char* path) {
    const std::vector<char> compressed = read_file(path);
    void* bytes;
    Model model;
    char error[512];
    if (onnxdc_expand_buffer(compressed.data(), compressed.size(), &bytes, &model.size, 0, error, sizeof error))
        throw std::runtime_error(error);
    model.bytes.reset(bytes);
    return model;
}

OrtSession* open_unpacked(const OrtEnv* env, const OrtSessionOptions* options, const char* path) {
    const Model model = unpack(path);
    OrtSession* session;
    check(ort->CreateSessionFromArray(env, model.bytes.get(), model.size, options, &session));
    return session;
}

OrtSession* open_directly(const OrtEnv* env, const OrtSessionOptions* options, const char* path) {
    OrtSession* session;
    check(ort->CreateSession(env, std::filesystem::path(path).c_str(), options, &session));
    return session;
}

size_t element_size(ONNXTensorElementDataType type) {
    switch (type) {
        case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8:
        case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8:
        case ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL: return 1;
        case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16: return 2;
        case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
        case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32: return 4;
        case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64:
        case ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE: return 8;
        default: throw std::runtime_error("an input or output of a type that this example does not know");
    }
}

struct Shape {
    ONNXTensorElementDataType type;
    std::vector<int64_t> dims;

    explicit Shape(const OrtTensorTypeAndShapeInfo* info) {
        size_t rank;
        check(ort->GetTensorElementType(info, &type));
        check(ort->GetDimensionsCount(info, &rank));
        dims.resize(rank);
        check(ort->GetDimensions(info, dims.data(), rank));
    }

    size_t numel() const {
        size_t numel = 1;
        for (const int64_t dim : dims) numel *= static_cast<size_t>(dim);
        return numel;
    }
};

// An input to try a model with: floats rise from 0 towards 1, everything else is 1; dimensions that the model leaves
// open are 1.
Owned<OrtValue> make_input(const OrtSession* session, size_t index, OrtAllocator* allocator) {
    OrtTypeInfo* info;
    check(ort->SessionGetInputTypeInfo(session, index, &info));
    const Owned<OrtTypeInfo> owned(info, ort->ReleaseTypeInfo);
    const OrtTensorTypeAndShapeInfo* tensor;
    check(ort->CastTypeInfoToTensorInfo(info, &tensor));
    if (!tensor) throw std::runtime_error("an input that is no tensor");
    Shape shape(tensor);
    for (int64_t& dim : shape.dims) dim = dim < 1 ? 1 : dim;
    OrtValue* value;
    check(ort->CreateTensorAsOrtValue(allocator, shape.dims.data(), shape.dims.size(), shape.type, &value));
    Owned<OrtValue> input(value, ort->ReleaseValue);
    void* data;
    check(ort->GetTensorMutableData(value, &data));
    const size_t size = element_size(shape.type), numel = shape.numel();
    std::memset(data, 0, numel * size);
    for (size_t i = 0; i < numel; ++i) {
        char* element = static_cast<char*>(data) + i * size;
        const float rising = static_cast<float>(i % 97) / 97;
        if (shape.type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT)
            std::memcpy(element, &rising, sizeof rising);
        else
            *element = 1;  // integers; next to nothing in other floats
    }
    return input;
}

void print_output(const char* name, OrtValue* value) {
    OrtTensorTypeAndShapeInfo* info;
    check(ort->GetTensorTypeAndShape(value, &info));
    const Owned<OrtTensorTypeAndShapeInfo> owned(info, ort->ReleaseTensorTypeAndShapeInfo);
    const Shape shape(info);
    std::printf("%s [", name);
    for (size_t i = 0; i < shape.dims.size(); ++i)
        std::printf("%s%lld", i ? ", " : "", static_cast<long long>(shape.dims[i]));
    std::printf("]");
    void* data;
    check(ort->GetTensorMutableData(value, &data));
    if (shape.type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) {
        for (size_t i = 0; i < shape.numel() && i < 8; ++i)
            std::printf(" %.9g", static_cast<double>(static_cast<const float*>(data)[i]));
    }
    std::printf("\n");
}

// The names of inputs or of outputs.
using NameOf = decltype(OrtApi::SessionGetInputName);
std::vector<std::string> names_of(const OrtSession* session, size_t count, NameOf name_of, OrtAllocator* allocator) {
    std::vector<std::string> names;
    for (size_t i = 0; i < count; ++i) {
        char* name;
        check(name_of(session, i, allocator, &name));
        names.push_back(name);
        check(ort->AllocatorFree(allocator, name));
    }
    return names;
}

std::vector<const char*> pointers(const std::vector<std::string>& names) {
    std::vector<const char*> result;
    for (const auto& name : names) result.push_back(name.c_str());
    return result;
}

void run(OrtSession* session) {
    OrtAllocator* allocator;
    check(ort->GetAllocatorWithDefaultOptions(&allocator));
    size_t input_count, output_count;
    check(ort->SessionGetInputCount(session, &input_count));
    check(ort->SessionGetOutputCount(session, &output_count));
    const auto input_names = names_of(session, input_count, ort->SessionGetInputName, allocator);
    const auto output_names = names_of(session, output_count, ort->SessionGetOutputName, allocator);
    std::vector<Owned<OrtValue>> inputs;
    std::vector<const OrtValue*> input_values;
    for (size_t i = 0; i < input_count; ++i) {
        inputs.push_back(make_input(session, i, allocator));
        input_values.push_back(inputs.back().get());
    }
    std::vector<OrtValue*> outputs(output_count);
    check(ort->Run(session, nullptr, pointers(input_names).data(), input_values.data(), input_count,
                   pointers(output_names).data(), output_count, outputs.data()));
    for (size_t i = 0; i < output_count; ++i) {
        print_output(output_names[i].c_str(), outputs[i]);
        ort->ReleaseValue(outputs[i]);
    }
}

// Seconds of the processor that this process has taken, and the most memory that it has had.
struct Usage {
    double seconds, megabytes;

    Usage() {
#ifdef _WIN32
        FILETIME created, ended, kernel, user;
        GetProcessTimes(GetCurrentProcess(), &created, &ended, &kernel, &user);
        const auto of = [](const FILETIME& time) {
            return 1e-7 * (4294967296.0 * time.dwHighDateTime + time.dwLowDateTime);
        };
        seconds = of(user) + of(kernel);
        PROCESS_MEMORY_COUNTERS memory;
        GetProcessMemoryInfo(GetCurrentProcess(), &memory, sizeof memory);
        megabytes = static_cast<double>(memory.PeakWorkingSetSize) / 1e6;
#else
        rusage usage;
        getrusage(RUSAGE_SELF, &usage);
        const auto of = [](const timeval& time) {
            return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
        };
        seconds = of(usage.ru_utime) + of(usage.ru_stime);
        megabytes = static_cast<double>(usage.ru_maxrss) / 1e3;
#endif
    }
};

void open_and_run(const OrtEnv* env, const OrtSessionOptions* options, const char* path, bool directly) {
    const auto begin = std::chrono::steady_clock::now();
    const Usage before;
    OrtSession* session = (directly ? open_directly : open_unpacked)(env, options, path);
    const Owned<OrtSession> owned_session(session, ort->ReleaseSession);
    const Usage after;
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    std::printf("%s: opened in %.3f s, %.3f s of CPU time, with at most %.0f MB more\n", path, seconds.count(),
                after.seconds - before.seconds, after.megabytes - before.megabytes);
    run(session);
}

void open_models(const std::vector<const char*>& paths, bool directly) {
    OrtEnv* env;
    check(ort->CreateEnv(ORT_LOGGING_LEVEL_WARNING, "open_model", &env));
    const Owned<OrtEnv> owned_env(env, ort->ReleaseEnv);
    OrtSessionOptions* options;
    check(ort->CreateSessionOptions(&options));
    const Owned<OrtSessionOptions> owned_options(options, ort->ReleaseSessionOptions);
    // Once: the options serve any number of sessions, those of plain models, too.
    check(RegisterCustomOps(options, OrtGetApiBase()));
    for (const char* path : paths) open_and_run(env, options, path, directly);
}

}  // namespace

int main(int argc, char** argv) {
    const bool directly = argc > 1 && std::strcmp(argv[1], "--direct") == 0;
    const std::vector<const char*> paths(argv + (directly ? 2 : 1), argv + argc);
    if (paths.empty()) {
        std::fprintf(stderr, "usage: open_model [--direct] MODEL.onnx...\n");
        return 2;
    }
    ort = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    if (!ort) {
        std::fprintf(stderr, "onnxruntime %s is too old\n", OrtGetApiBase()->GetVersionString());
        return 1;
    }
    try {
        std::printf("onnxdc %s, onnxruntime %s\n", onnxdc_version(), OrtGetApiBase()->GetVersionString());
        open_models(paths, directly);
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
