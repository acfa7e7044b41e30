/* What is told of a request is what happened to it: real exchanges, asked for by their ids. */
#include "proxy/recent_words.h"

#include "world.h"

#define ASK(id) "GET /there HTTP/1.1\r\nHost: h\r\nX-Request-ID: " id "\r\n\r\n"

static char words[RECENT_WORDS_MAX + 1];
static const struct recent_texts texts = {{"id", 2}, {"::1", 3}, {"GET", 3}, {"web", 3}, {"/", 1}, {NULL, 0}};

static const char *why(const struct world *w, const char *id)
{
    const struct recent_record *record = recent_find(reactor_recent(w->reactor), str_of(id));
    assert_non_null(record);
    struct str text = recent_words(record, words);
    words[text.n] = '\0';
    return words;
}

/* Each of these, in this order. */
static void assert_tells(const char *text, const char *const *parts)
{
    for (const char *at = text; *parts; parts++) {
        const char *found = strstr(at, *parts);
        if (!found)
            fail_msg("not told, or not in its place: %s\n%s", *parts, text);
        at = found + strlen(*parts);
    }
}

static void words_tell_what_went_well(void **state)
{
    static const char *const fresh[] = {"request one: GET /there from 127.0.0.1 at ",
                                        "0.000 ms  its first byte; it went to pool web\n",
                                        "try 1: worker a\n",
                                        "connected, and sent\n",
                                        "the worker's answer began: 200\n",
                                        "the end: answered whole; 0 bytes of body came in, 2 went out\n",
                                        NULL};
    static const char *const again[] = {"try 1: worker a\n", "sent on a connection that was idle\n", NULL};
    struct world w;
    world_init(&w, 1);
    world_start(&w);
    world_ask(&w, ASK("one"));
    world_ask(&w, ASK("two"));
    assert_tells(why(&w, "one"), fresh);
    assert_tells(why(&w, "two"), again);
    world_stop(&w);
}

static void words_tell_of_each_try(void **state)
{
    static const char *const parts[] = {
        "try 1: worker a\n",       "The worker refused the connection. (connect_refused)\n",
        "try 2: worker b\n",       "connected, and sent\n",
        "(connection_reset)\n",    "try 3: worker c\n",
        "connected, and sent\n",   "answer began: 200\n",
        "the end: answered whole", NULL};
    struct world w;
    world_init(&w, 3);
    world_start(&w);
    scripted_worker_refuse(&w.far[0]);
    w.far[1].dead_below = UINT32_MAX;
    w.far[1].dead_reset = true;
    world_ask(&w, ASK("id"));
    assert_tells(why(&w, "id"), parts);
    world_stop(&w);
}

static void words_tell_of_failures(void **state)
{
    static const char *const silent[] = {"try 1: worker a\n", "Ballast answered 504 itself\n",
                                         "3000.000 ms  the end: The worker did not answer in time. (answer_timeout)",
                                         NULL};
    static const char *const nobody[] = {"Ballast answered 503 itself\n", "(no_worker_alive)", NULL};
    struct world w;
    world_init(&w, 1);
    world_start(&w);
    w.far[0].answer = NULL;
    struct io_sim_peer *client = world_client(&w);
    world_send(client, ASK("silent"));
    world_run(&w, w.rules.response_head_ms + 100);
    assert_tells(why(&w, "silent"), silent);
    helper_set_alive(&w.helper, 0);
    world_ask(&w, ASK("nobody"));
    assert_tells(why(&w, "nobody"), nobody);
    helper_set_alive(&w.helper, UINT32_MAX);
    io_sim_peer_close(&client, false);
    world_stop(&w);
}

/* A retry that had to wait for others says so. */
static void words_tell_of_the_line(void **state)
{
    struct recent_record record = {.tries = 2, .total_us = 900};
    static const char *const parts[] = {"0.200 ms  try 2, after waiting in line behind other retries: worker b\n",
                                        NULL};
    recent_set_texts(&record, &texts);
    recent_set_worker(&record.attempts[0], STR("a"));
    recent_set_worker(&record.attempts[1], STR("b"));
    record.attempts[0].error = ERR_CONN_CLOSED;
    record.attempts[1].waited = true;
    record.attempts[1].picked_us = 200;
    record.attempts[1].connected_us = RECENT_NEVER;
    struct str text = recent_words(&record, words);
    words[text.n] = '\0';
    assert_tells(words, parts);
}

/* An answer that stops short is told once, behind its beginning; one of ours stands behind what the try came to. */
static void words_keep_their_order(void **state)
{
    struct recent_record record = {.tries = 1, .total_us = 900, .first_byte_us = 500, .status = 200};
    static const char *const cut[] = {"0.500 ms  the worker's answer began: 200\n", "0.900 ms  the end: ", "answer_cut",
                                      NULL};
    static const char *const late[] = {"0.900 ms  The worker did not answer in time. (answer_timeout)\n",
                                       "Ballast answered 504 itself\n", NULL};
    recent_set_texts(&record, &texts);
    recent_set_worker(&record.attempts[0], STR("a"));
    record.attempts[0].failed_us = 900;
    record.error = record.attempts[0].error = ERR_ANSWER_CUT;
    words[recent_words(&record, words).n] = '\0';
    assert_tells(words, cut);
    assert_ptr_equal(strstr(words, "answer_cut"), strstr(strstr(words, "the end"), "answer_cut"));

    record.error = record.attempts[0].error = ERR_ANSWER_TIMEOUT;
    record.status = 504;
    record.own = true;
    words[recent_words(&record, words).n] = '\0';
    assert_tells(words, late);
}

/* Under the try that it is about, which is the last one. */
static void words_tell_more_of_the_last_try(void **state)
{
    struct recent_record record = {.tries = 2, .error = ERR_TLS_CERTIFICATE, .status = 502, .own = true};
    struct recent_texts more = texts;
    static const char *const parts[] = {"try 1: worker a\n",
                                        "is not to be believed. (tls_certificate)\n",
                                        "    0.000 ms  try 2: worker b\n",
                                        "(tls_certificate)\n",
                                        "                  it is for c, not for b\n",
                                        "Ballast answered 502",
                                        NULL};
    more.detail = STR("it is for c, not for b");
    recent_set_texts(&record, &more);
    for (uint32_t i = 0; i < record.tries; i++) {
        recent_set_worker(&record.attempts[i], i ? STR("b") : STR("a"));
        record.attempts[i].error = ERR_TLS_CERTIFICATE;
        record.attempts[i].connected_us = RECENT_NEVER;
    }
    words[recent_words(&record, words).n] = '\0';
    assert_tells(words, parts);
    assert_ptr_equal(strstr(words, "it is for"), strstr(strstr(words, "try 2"), "it is for"));
}

/* However long, and whatever a client sends: it fits, and no control byte gets through. */
static void words_are_safe(void **state)
{
    struct recent_record record = {.tries = PICK_TRIED_MAX, .error = ERR_ANSWER_CUT, .status = 502, .own = true};
    char wild[400];
    for (size_t i = 0; i < sizeof(wild); i++)
        wild[i] = (char)(i % 33);
    struct str all = str_slice(wild, sizeof(wild));
    recent_set_texts(&record, &(struct recent_texts){all, STR("::1"), STR("GET"), STR("web"), all, all});
    for (uint32_t i = 0; i < PICK_TRIED_MAX; i++) {
        recent_set_worker(&record.attempts[i], STR("a-worker-with-a-name-that-is-long"));
        record.attempts[i].error = ERR_CONN_CLOSED;
        record.attempts[i].waited = true;
    }
    struct str text = recent_words(&record, words);
    assert_true(text.n < RECENT_WORDS_MAX);
    for (size_t i = 0; i < text.n; i++)
        assert_true(text.p[i] == '\n' || (unsigned char)text.p[i] >= 32);
    words[text.n] = '\0';
    assert_holds(words, "try 8");
    assert_holds(words, "the end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_tell_what_went_well),
        cmocka_unit_test(words_tell_of_each_try),
        cmocka_unit_test(words_tell_of_failures),
        cmocka_unit_test(words_tell_of_the_line),
        cmocka_unit_test(words_keep_their_order),
        cmocka_unit_test(words_tell_more_of_the_last_try),
        cmocka_unit_test(words_are_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
