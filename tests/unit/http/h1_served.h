/* One served connection for the tests of h1_server: a scripted client in front, an owner that echoes (or the test
 * itself) behind.
 */
#ifndef UNIT_HTTP_H1_SERVED_H
#define UNIT_HTTP_H1_SERVED_H

#include "http_cmocka.h"

#include "base/err.h"
#include "tests/unit/http/h1_owners.h"
#include "tests/unit/net/world.h"

#define GET_A     "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
#define EMPTY     "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define CLOSES    "Connection: close\r\n"
#define OK_LENGTH "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n"

enum { HEAD_MS = 1000, IDLE_MS = 5000 };

extern struct world world;
extern struct echo echo;
extern struct h1_server_options options;
extern struct io_sim_peer *peer;

/* A test's own. */
int served_setup(void **state);
int served_teardown(void **state);
#define SERVED_TEST(name) cmocka_unit_test_setup_teardown(name, served_setup, served_teardown)

void begin(void);
/* The test answers. */
void begin_by_hand(void);
/* The client goes; whatever state the session is in, it ends. */
void leave(void);
void say(const char *text);
void say_many(size_t n);
/* Exactly this has come, and no more. */
void hear(const char *text);
void assert_open(void);
void assert_ended(void);
/* How often, of the last request. */
unsigned told(enum stream_event event);
/* To the last request, whole; a code when the session said so. */
int answer(const struct msg *msg, const char *body);

#endif
