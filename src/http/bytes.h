/* Runs of bytes: how far a text goes on with bytes of one class. What the head parser spends its time in.
 *
 * Each class has a scalar form, which is its definition, and on x86-64 one that looks at 16 bytes at once (SSE2, which
 * every such processor has). Field values are short: AVX2 behind a run-time switch was measured and won nothing. Pure;
 * never reads outside bytes[0..n).
 */
#ifndef HTTP_BYTES_H
#define HTTP_BYTES_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#define BYTES_SIMD 1
#else
#define BYTES_SIMD 0
#endif

/* The classes, one byte at a time. */

/* A letter, a digit, '-', '.' or '_': what almost every field name and host consists of. All are tchar and legal in a
 * host. */
static inline bool bytes_is_plain(char c)
{
    unsigned char b = (unsigned char)c;
    return (unsigned char)((b | 0x20) - 'a') <= 'z' - 'a' || (unsigned char)(b - '0') <= 9 || b == '-' || b == '.' ||
           b == '_';
}

/* Visible ASCII but '#': what may stand in a request target. */
static inline bool bytes_is_target(char c)
{
    return c > 0x20 && c < 0x7f && c != '#';
}

/* What may stand in a field value (RFC 9110 section 5.5): no control bytes but tab; bytes from 0x80 on may. */
static inline bool bytes_is_value(char c)
{
    unsigned char b = (unsigned char)c;
    return (b >= 0x20 && b != 0x7f) || b == '\t';
}

/* Inlined with the class known: no call is left. */
#define BYTES_INLINE static inline __attribute__((always_inline))

typedef bool (*bytes_is_fn)(char c);

BYTES_INLINE size_t bytes_run_scalar(const char *bytes, size_t n, bytes_is_fn is)
{
    size_t i = 0;
    while (i < n && is(bytes[i]))
        i++;
    return i;
}

#if BYTES_SIMD

/* Bytes between first and last, both included, as all ones. */
static inline __m128i bytes_between(__m128i v, char first, char last)
{
    __m128i offset = _mm_sub_epi8(v, _mm_set1_epi8(first));
    return _mm_cmpeq_epi8(_mm_min_epu8(offset, _mm_set1_epi8((char)(last - first))), offset);
}

/* Each gives a bit for every byte that is not of the class. */

static inline unsigned bytes_plain_stops(__m128i v)
{
    __m128i letter = bytes_between(_mm_or_si128(v, _mm_set1_epi8(0x20)), 'a', 'z');
    __m128i digit = bytes_between(v, '0', '9');
    __m128i mark = _mm_or_si128(bytes_between(v, '-', '.'), _mm_cmpeq_epi8(v, _mm_set1_epi8('_')));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(letter, digit), mark)) ^ 0xffffU;
}

static inline unsigned bytes_target_stops(__m128i v)
{
    __m128i hash = _mm_cmpeq_epi8(v, _mm_set1_epi8('#'));
    return (unsigned)_mm_movemask_epi8(_mm_andnot_si128(hash, bytes_between(v, 0x21, 0x7e))) ^ 0xffffU;
}

static inline unsigned bytes_value_stops(__m128i v)
{
    __m128i control = bytes_between(v, 0, 0x1f);
    __m128i tab = _mm_cmpeq_epi8(v, _mm_set1_epi8('\t'));
    __m128i del = _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, control), del));
}

typedef unsigned (*bytes_stops_fn)(__m128i v);

BYTES_INLINE size_t bytes_run(const char *bytes, size_t n, bytes_stops_fn stops, bytes_is_fn is)
{
    size_t i = 0;
    for (; n - i >= 16; i += 16) {
        unsigned found = stops(_mm_loadu_si128((const void *)(bytes + i)));
        if (found != 0)
            return i + (size_t)__builtin_ctz(found);
    }
    return i + bytes_run_scalar(bytes + i, n - i, is);
}

#else

enum { bytes_plain_stops, bytes_target_stops, bytes_value_stops };

BYTES_INLINE size_t bytes_run(const char *bytes, size_t n, int stops, bytes_is_fn is)
{
    return bytes_run_scalar(bytes, n, is);
}

#endif

/* Length of the run of such bytes that bytes[0..n) begins with: 0 to n. */

static inline size_t bytes_plain_run(const char *bytes, size_t n)
{
    return bytes_run(bytes, n, bytes_plain_stops, bytes_is_plain);
}

static inline size_t bytes_target_run(const char *bytes, size_t n)
{
    return bytes_run(bytes, n, bytes_target_stops, bytes_is_target);
}

static inline size_t bytes_value_run(const char *bytes, size_t n)
{
    return bytes_run(bytes, n, bytes_value_stops, bytes_is_value);
}

#endif
