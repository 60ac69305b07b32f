/* onnxdc for programs in C, C++, and whatever calls C: open models that onnxdc compressed, with onnxruntime.
 *
 * A compressed model runs in any onnxruntime as it is: it carries functions of standard operators that unpack its
 * weights, which takes time and a lot of memory while the session is created. With this library it takes neither:
 *
 *   1. onnxdc_expand_buffer, or onnxdc_expand_file, unpacks the weights of layers that run dense;
 *   2. RegisterCustomOps gives onnxruntime the operators of the layers that run compressed;
 *   3. the session is created from the result of 1, with the options of 2.
 *
 * The functions may be called from several threads at once. No exception leaves them. Texts are UTF-8.
 */
#ifndef ONNXDC_H
#define ONNXDC_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(ONNXDC_BUILDS_LIBRARY)
#define ONNXDC_API __declspec(dllexport)
#elif defined(_WIN32)
#define ONNXDC_API __declspec(dllimport)
#elif defined(__GNUC__)
#define ONNXDC_API __attribute__((visibility("default")))
#else
#define ONNXDC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What a function answers. Besides it, `error` gets one line for people, which names the weight if there is one; it is
 * cut after error_size bytes, the final zero included, and may be null if error_size is 0. It is empty on success. */
enum onnxdc_result {
    ONNXDC_OK = 0,
    ONNXDC_BAD_MODEL = 1,     /* no ONNX model, a damaged one, or one of another version of the format */
    ONNXDC_BAD_WEIGHT = 2,    /* a weight breaks a rule of the format, which the line names */
    ONNXDC_LIMIT = 3,         /* the weights would take more than `limit` */
    ONNXDC_TOO_LARGE = 4,     /* the result is no file that onnxruntime could open: it has 2 GB or more */
    ONNXDC_EXTERNAL_DATA = 5, /* data outside of the model are missing, too short, in a place that is not allowed, or
                                 asked for where there is no file */
    ONNXDC_FILE = 6,          /* a file cannot be read or written */
    ONNXDC_MEMORY = 7         /* memory ran out, or something else that is no fault of the model */
};

/* Writes a model whose dense layers have plain weights, with the same outputs, bit for bit. What runs compressed stays
 * as it is, so that the result runs with RegisterCustomOps and without. A model that has nothing to unpack, compressed
 * or not, is copied.
 *
 * model_path  the compressed model, which is not changed
 * out_path    the file to write; another one than model_path. It is written under another name, then renamed. If the
 *             model would have 2 GB or more, its weights go to a file next to it, `<out_path>.data`. So does external
 *             data, if out_path is in another folder than the model.
 * limit       bytes that the unpacked weights may take; 0 for 256 MB and 1,000 bytes for each byte of the model, which
 *             keeps a small file from taking all memory. UINT64_MAX for a model that you trust.
 *
 * Takes memory for the compressed model and for the largest of its weights. */
ONNXDC_API int onnxdc_expand_file(const char* model_path, const char* out_path, uint64_t limit, char* error,
                                  size_t error_size);

/* The same in memory. `*out` gets the model, `*out_size` bytes, which onnxdc_free gives back; null and 0 if it fails. A
 * model whose weights lie in external data is refused. The bytes of `model` are not needed any more afterwards, nor are
 * those of `*out` once the session is created. */
ONNXDC_API int onnxdc_expand_buffer(const void* model, size_t size, void** out, size_t* out_size, uint64_t limit,
                                    char* error, size_t error_size);

/* Gives back what onnxdc_expand_buffer made. Null is fine. */
ONNXDC_API void onnxdc_free(void* out);

/* The version of this library, such as "0.1.0". */
ONNXDC_API const char* onnxdc_version(void);

struct OrtStatus;
struct OrtSessionOptions;
struct OrtApiBase;

/* Gives the operators of compressed layers to all sessions that are created with these options: one call serves any
 * number of them. Answers null, or a status of onnxruntime, which the caller releases. Needs onnxruntime 1.17.
 *
 *   OrtStatus* status = RegisterCustomOps(options, OrtGetApiBase());
 *
 * onnxruntime calls it itself where a program cannot, by the full path of this library: RegisterCustomOpsLibrary_V2 in
 * C, SessionOptions.RegisterCustomOpLibrary in C#, SessionOptions.registerCustomOpLibrary in Java. */
ONNXDC_API struct OrtStatus* RegisterCustomOps(struct OrtSessionOptions* options, const struct OrtApiBase* base);

#ifdef __cplusplus
}
#endif

#endif /* ONNXDC_H */
