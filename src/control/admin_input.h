/* What a call may say beside its path: the rows of admin_input.def, and whether a value is one that they allow. Pure;
 * any thread.
 */
#ifndef CONTROL_ADMIN_INPUT_H
#define CONTROL_ADMIN_INPUT_H

#include <jansson.h>

#include "control/admin_route.h"

enum admin_place { ADMIN_QUERY, ADMIN_BODY, ADMIN_MUST, ADMIN_MAY };
enum admin_type { ADMIN_STRING, ADMIN_INTEGER, ADMIN_BOOLEAN };

struct admin_input {
    void (*run)(struct admin *admin, struct admin_call *call); /* of its route */
    enum admin_place place;
    const char *name;
    enum admin_type type;
    const char *of, *otherwise, *sentence;
};

/* All of them, in the table's order. */
extern const struct admin_input admin_inputs[];
extern const size_t admin_input_count;

/* The route's input of that name; NULL: it has none. */
const struct admin_input *admin_input_find(const struct admin_route *route, bool in_body, struct str name);
/* The least and the most of an INTEGER; *ret_most is UINT64_MAX where there is none. */
void admin_input_range(const struct admin_input *input, uint64_t *ret_least, uint64_t *ret_most);
/* Whether the text of a query is such a value. */
bool admin_input_allows(const struct admin_input *input, struct str text);
/* Whether a member of a body is. */
bool admin_input_allows_json(const struct admin_input *input, const json_t *value);

enum { ADMIN_SENTENCE_MAX = 200 };
/* "`keep` is true or false." */
void admin_input_say(const struct admin_input *input, char ret_sentence[ADMIN_SENTENCE_MAX]);
/* What is wrong with a body for this route; false: nothing. */
bool admin_input_judge(const struct admin_route *route, const json_t *body, char ret_sentence[ADMIN_SENTENCE_MAX]);

#endif
