/* HTTP/1 for the scripts of the simulation: a reader and the bytes that bodies are made of. Written apart from
 * src/http and slower than it, so that an error there does not hide here too.
 *
 * A reader takes one message from a stream of bytes. Bodies are not kept: each is made from a key, and every byte is
 * compared with what the key says it should be.
 */
#ifndef TESTS_SIM_WIRE_H
#define TESTS_SIM_WIRE_H

#include "base/str.h"
#include "tests/sim/io_sim_net.h"

enum { WIRE_HEAD_MAX = 4096, WIRE_LINE_MAX = 256 };

enum wire_state {
    WIRE_HEAD,
    WIRE_READY,
    WIRE_FIXED,
    WIRE_SIZE,
    WIRE_CHUNK,
    WIRE_CHUNK_END,
    WIRE_TRAILERS,
    WIRE_OPEN,
    WIRE_DONE
};
enum wire_framing { WIRE_NONE, WIRE_BY_LENGTH, WIRE_BY_CHUNKS, WIRE_BY_END };

struct wire_reader {
    enum wire_state state;
    enum wire_framing framing;
    const char *bad; /* why this is no message, or NULL */
    char head[WIRE_HEAD_MAX];
    size_t head_n;
    char line[WIRE_LINE_MAX];
    size_t line_n;
    char trailers[WIRE_LINE_MAX];
    size_t trailers_n;
    int status; /* of an answer */
    int minor;
    struct str method, target; /* of a request; in head */
    uint64_t left;             /* of the body, or of the chunk */
    uint64_t length;           /* what Content-Length said, UINT64_MAX: nothing */
    uint64_t body_n;
    uint64_t key; /* of the body's bytes */
    bool wrong;   /* a byte of the body is not the key's */
    uint64_t wrong_at;
};

void wire_reader_start(struct wire_reader *reader);
/* Takes bytes up to the end of the head (state READY: look at it, set key, then wire_reader_body), or of the message
 * (state DONE). Returns how many. */
size_t wire_reader_feed(struct wire_reader *reader, struct str bytes, bool answer);
/* The head is understood: its body follows. bodiless: an answer that has none whatever it says. */
void wire_reader_body(struct wire_reader *reader, bool answer, bool bodiless);
/* A field's value in the head; how often it is there. */
int wire_reader_field(const struct wire_reader *reader, const char *name, struct str *ret_value);

/* Bytes from..from + n of the body with this key. */
void wire_append_body(struct sim_bytes *out, uint64_t key, uint64_t from, size_t n);
void wire_append(struct sim_bytes *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* n bytes of the body in chunks of sizes that the key decides, with the last chunk and trailers ("" or lines). */
void wire_append_chunks(struct sim_bytes *out, uint64_t key, size_t n, const char *trailers);

#endif
