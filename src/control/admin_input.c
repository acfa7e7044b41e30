/* One table, read here for calls, by control/admin_openapi for the document. */
#include "control/admin_input.h"

#include <stdio.h>

const struct admin_input admin_inputs[] = {
#define ADMIN_INPUT(function, place, name, type, of, otherwise, sentence) \
    {admin_do_##function, ADMIN_##place, name, ADMIN_##type, of, otherwise, sentence},
#include "control/admin_input.def"
#undef ADMIN_INPUT
};
const size_t admin_input_count = ARRAY_SIZE(admin_inputs);

static bool is_of(const struct admin_input *input, const struct admin_route *route, bool in_body)
{
    return input->run == route->run && (input->place != ADMIN_QUERY) == in_body;
}

const struct admin_input *admin_input_find(const struct admin_route *route, bool in_body, struct str name)
{
    for (size_t i = 0; i < admin_input_count; i++)
        if (is_of(&admin_inputs[i], route, in_body) && str_eq(str_of(admin_inputs[i].name), name))
            return &admin_inputs[i];
    return NULL;
}

void admin_input_range(const struct admin_input *input, uint64_t *ret_least, uint64_t *ret_most)
{
    struct str rest = str_of(input->of), least = STR_NONE, most = STR_NONE;

    ASSERT(input->type == ADMIN_INTEGER);
    bool whole =
        str_cut(&rest, '|', &least) && str_cut(&rest, '|', &most) && str_parse_u64(least, UINT32_MAX, ret_least) == 0;
    *ret_most = UINT64_MAX;
    ASSERT(whole && (most.n == 0 || str_parse_u64(most, UINT32_MAX, ret_most) == 0));
}

static bool is_in_range(const struct admin_input *input, uint64_t number)
{
    uint64_t least, most;

    admin_input_range(input, &least, &most);
    return number >= least && number <= most;
}

static bool is_word(const struct admin_input *input, struct str text)
{
    struct str rest = str_of(input->of), word;
    bool known = rest.n == 0;

    while (!known && str_cut(&rest, '|', &word))
        known = str_eq(word, text);
    return known;
}

bool admin_input_allows(const struct admin_input *input, struct str text)
{
    uint64_t number;

    switch (input->type) {
    case ADMIN_STRING: return is_word(input, text);
    case ADMIN_INTEGER: return str_parse_u64(text, UINT32_MAX, &number) == 0 && is_in_range(input, number);
    case ADMIN_BOOLEAN: return str_eq(text, STR("true")) || str_eq(text, STR("false"));
    }
    return false;
}

bool admin_input_allows_json(const struct admin_input *input, const json_t *value)
{
    switch (input->type) {
    case ADMIN_STRING:
        return json_is_string(value) && is_word(input, str_slice(json_string_value(value), json_string_length(value)));
    case ADMIN_INTEGER:
        return json_is_integer(value) && json_integer_value(value) >= 0 &&
               is_in_range(input, (uint64_t)json_integer_value(value));
    case ADMIN_BOOLEAN: return json_is_boolean(value);
    }
    return false;
}

/* ---- sentences ---- */

struct sentence {
    char *text; /* room for ADMIN_SENTENCE_MAX */
    size_t n;
};

static void say(struct sentence *to, const char *before, struct str text, const char *after)
{
    int n = snprintf(to->text + to->n, ADMIN_SENTENCE_MAX - to->n, "%s%.*s%s", before, STR_ARG(text), after);

    to->n += (size_t)n;
    if (to->n >= ADMIN_SENTENCE_MAX)
        to->n = ADMIN_SENTENCE_MAX - 1;
}

/* "a, b or c". */
static void say_words(struct sentence *to, struct str words)
{
    struct str rest = words, word;
    const char *before = "";

    while (str_cut(&rest, '|', &word)) {
        say(to, before, word, "");
        before = str_find(rest, '|') < rest.n ? ", " : " or ";
    }
}

static void say_wanted(struct sentence *to, const struct admin_input *input)
{
    struct str of = str_of(input->of);
    size_t bar = str_find(of, '|');

    if (input->type == ADMIN_BOOLEAN)
        say(to, "true or false", STR(""), "");
    else if (input->type == ADMIN_STRING && of.n == 0)
        say(to, "a text", STR(""), "");
    else if (input->type == ADMIN_STRING)
        say_words(to, of);
    else if (bar + 1 == of.n)
        say(to, "a whole number from ", str_slice(of.p, bar), " on");
    else {
        say(to, "a whole number from ", str_slice(of.p, bar), " to ");
        say(to, "", str_slice(of.p + bar + 1, of.n - bar - 1), "");
    }
}

void admin_input_say(const struct admin_input *input, char ret_sentence[ADMIN_SENTENCE_MAX])
{
    struct sentence to = {.text = ret_sentence};

    say(&to, "`", str_of(input->name), "` is ");
    say_wanted(&to, input);
    say(&to, ".", STR(""), "");
}

static void say_unknown(const struct admin_route *route, char ret_sentence[ADMIN_SENTENCE_MAX])
{
    struct sentence to = {.text = ret_sentence};
    const char *before = "The body may hold `";

    for (size_t i = 0; i < admin_input_count; i++) {
        if (!is_of(&admin_inputs[i], route, true))
            continue;
        say(&to, before, str_of(admin_inputs[i].name), "`");
        before = ", `";
    }
    say(&to, ", and nothing else.", STR(""), "");
}

bool admin_input_judge(const struct admin_route *route, const json_t *body, char ret_sentence[ADMIN_SENTENCE_MAX])
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)body, key, value)
    {
        const struct admin_input *input = admin_input_find(route, true, str_of(key));
        if (input && admin_input_allows_json(input, value))
            continue;
        if (input)
            admin_input_say(input, ret_sentence);
        else
            say_unknown(route, ret_sentence);
        return true;
    }
    for (size_t i = 0; i < admin_input_count; i++) {
        const struct admin_input *input = &admin_inputs[i];
        if (!is_of(input, route, true) || input->place != ADMIN_MUST || json_object_get(body, input->name))
            continue;
        admin_input_say(input, ret_sentence);
        return true;
    }
    return false;
}
