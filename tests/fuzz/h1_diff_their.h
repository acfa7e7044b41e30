/* What http_parser makes of a request: the other side of the comparison, in Ballast's words.
 *
 * Debian's libhttp-parser-dev (2.9.4), which it builds without HTTP_PARSER_STRICT; header values are not lenient. Fed
 * byte by byte, so that it is known where it sees the head end.
 */
#ifndef H1_DIFF_THEIR_H
#define H1_DIFF_THEIR_H

#include <http_parser.h>

#include "base/str.h"

enum { THEIR_FIELDS = 4096 }; /* more than any input holds */

struct their_field {
    struct str name;
    struct str value; /* with white space at its end; a folded one with its line ends */
};

struct their_request {
    int result;         /* 1: a whole head; 0: more bytes needed; -HPE_x: refused */
    size_t head_bytes;  /* with empty lines in front; how far they came if refused */
    struct str url;     /* as received; NULL: none yet */
    const char *method; /* NULL: not known */
    unsigned major, minor;
    bool chunked;
    bool has_length;
    uint64_t length;
    bool keep_alive;
    struct their_field *fields; /* memory of their_read, until it is called again */
    uint32_t count;
    /* A chunked body, with its trailers. */
    int body_result; /* as result */
    size_t body_bytes;
    char *body; /* room for all of the input */
    size_t body_n;
    /* Theirs alone. */
    http_parser parser;
    bool head_done, message_done, in_value;
};

/* Slices point into input; their->body is the caller's. */
void their_read(struct their_request *their, struct str input, char *body);

#endif
