/* One served connection of HTTP/2 for the tests of h2_server: frames by hand in front, what h1_served has behind.
 */
#ifndef UNIT_HTTP_H2_SERVED_H
#define UNIT_HTTP_H2_SERVED_H

#include "h2_wire.h"
#include "http/h2_server.h"
#include "tests/unit/http/h1_served.h"

#define GET_H2  ":method: GET\n:scheme: http\n:path: /a\n:authority: h\n"
#define POST_H2 ":method: POST\n:scheme: http\n:path: /a\n:authority: h\n"

enum { H2_SERVED_FRAMES = 4000 };

extern struct h2_server_options h2_options;
extern struct h2_room room;
extern struct h2_wire wire; /* what the client sends with the next flush */
/* All that came, as of the last look, find or count; payloads live until more comes. */
extern struct h2_wire_frame frames[H2_SERVED_FRAMES];
extern size_t frame_count;

int h2_served_setup(void **state);
int h2_served_teardown(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, h2_served_setup, h2_served_teardown)

void open_door(void);
/* The door, the preface and SETTINGS. */
void open_h2(void);
void flush(void);
/* One without a body waits to be flushed. */
void request(uint32_t stream, const char *lines);
void look(void);
/* The first of this kind; NULL: none has come. */
const struct h2_wire_frame *find(enum h2_wire_type type, uint32_t stream);
size_t count(enum h2_wire_type type, uint32_t stream);
size_t body_bytes(uint32_t stream);
/* Of the first one, which has come. */
uint32_t goaway_code(void);
uint32_t reset_code(uint32_t stream);
/* So many bytes more of the body that the current exchange sends; at most 2 * SESSION_OUT_HIGH. */
void send_part(size_t n);

#endif
