/* How the HTTP/2 modules use nghttp2: its tables of callbacks, its options, its memory. Included by http/h2_*.c only.
 */
#ifndef HTTP_H2_LIBRARY_H
#define HTTP_H2_LIBRARY_H

#include <nghttp2/nghttp2.h>

#include "http/h2_session.h"

struct h2_library {
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
};

/* The room's, made when first asked for; NULL without memory. */
struct h2_library *h2_library_of(struct h2_room *room);
/* For the session's library; and its end, with all of it. A library that was refused some has lost its state: the
 * session ends in this turn, and the library is not asked to take itself apart. */
nghttp2_mem h2_library_memory(struct h2_session *h2);
void h2_library_end(struct h2_session *h2);
/* What the library calls back (h2_session.c). */
void h2_library_set_callbacks(nghttp2_session_callbacks *callbacks);
/* Body for the library's DATA frames (h2_stream.c). */
nghttp2_data_provider h2_library_body(void);
int h2_library_send_data(nghttp2_session *library, nghttp2_frame *frame, const uint8_t *framehd, size_t length,
                         nghttp2_data_source *source, void *user_data);
/* The final head or an interim one, from a message. 0, -ERR_NO_MEMORY, -ERR_INTERNAL. */
MUST_CHECK int h2_library_send_answer(struct h2_stream *h2s, const struct msg *msg, bool bodiless);
/* A request's head; the stream gets its number. 0, or these and -ERR_STREAM_REFUSED: there is no number left. */
MUST_CHECK int h2_library_send_request(struct h2_stream *h2s, const struct msg *msg, bool bodiless);
MUST_CHECK int h2_library_send_trailers(struct h2_stream *h2s);

#endif
