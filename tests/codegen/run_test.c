/*
 * Generated code at work: one node, one client, one process. What a method gets, what a caller gets, and what is refused by
 * name.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "new.grain.h"
#include "old.grain.h"
#include "shapes.grain.h"

enum { PATH_BYTES = 64, READY_MS = 20000, STOP_MS = 10000 };

/* ---- what the node hosts */

typedef struct notes {
    uint32_t count;
    bool awake;
} notes;

static gr_err activated(shapes_shapes *self)
{
    notes *mine = shapes_shapes_data(self);

    if (strcmp(shapes_shapes_id(self), "sleepyhead") == 0) {
        return gr_fail((gr_err)(GR_EAPP + 7), "%s does not get up", shapes_shapes_id(self));
    }
    mine->awake = true;
    return GR_OK;
}

static int32_t sum_of(const Shapes__Tree__Node *node)
{
    int32_t sum = node->value;

    for (size_t i = 0; i < node->n_children; i++) {
        sum += sum_of(node->children[i]);
    }
    return sum;
}

static gr_err sum(shapes_shapes *self, const Shapes__Tree *request, Shapes__Tree__Node *reply)
{
    Shapes__Tree__Node__MarksEntry *entry = shapes_shapes_alloc(self, sizeof(*entry));
    Shapes__Tree__Node__MarksEntry **list = shapes_shapes_alloc(self, sizeof(*list));

    if (request->kind_case != SHAPES__TREE__KIND_NODE || entry == NULL || list == NULL) {
        return gr_fail(GR_EINVAL, "a tree has a node");
    }
    shapes__tree__node__marks_entry__init(entry);
    entry->key = gr_grain_text(shapes_shapes_grain(self), "sum of %s", shapes_shapes_id(self));
    entry->value = sum_of(request->node);
    list[0] = entry;
    reply->value = (int32_t)entry->value;
    reply->n_marks = 1;
    reply->marks = list;
    return GR_OK;
}

static gr_err later(shapes_shapes *self, const Google__Protobuf__Timestamp *request,
                    Google__Protobuf__Timestamp *reply)
{
    (void)self;
    reply->seconds = request->seconds + 1;
    return GR_OK;
}

static gr_err nothing(shapes_shapes *self, const Google__Protobuf__Empty *request,
                      Google__Protobuf__Empty *reply)
{
    (void)request;
    (void)reply;
    return ((notes *)shapes_shapes_data(self))->awake ? GR_OK : gr_fail(GR_EAPP, "asleep");
}

static gr_err echo_into(gr_grain *grain, const Common__Text *request, Common__Text *reply)
{
    reply->text = gr_grain_text(grain, "%s", request->text);
    reply->n_list = request->n_list;
    reply->list = request->list; /* lives as long as the request: until the reply has left */
    return reply->text == NULL ? gr_fail(GR_ENOMEM, "echo") : GR_OK;
}

static gr_err echo(shapes_shapes *self, const Common__Text *request, Common__Text *reply)
{
    return echo_into(shapes_shapes_grain(self), request, reply);
}

static gr_err fail_with(shapes_shapes *self, const Shapes__Reason *request,
                        Google__Protobuf__Empty *reply)
{
    (void)reply;
    return gr_grain_fail(shapes_shapes_grain(self), (gr_err)(GR_EAPP + 1), &shapes_reason_type,
                         request, "it failed because of %s", request->why);
}

static gr_err note(shapes_shapes *self, const Shapes__Reason *request)
{
    ((notes *)shapes_shapes_data(self))->count += request->code;
    return GR_OK;
}

static gr_err read_notes(shapes_shapes *self, const Google__Protobuf__Empty *request,
                         Shapes__Reason *reply)
{
    (void)request;
    reply->code = ((notes *)shapes_shapes_data(self))->count;
    return GR_OK;
}

static gr_err relay(shapes_shapes *self, const Common__Text *request, Common__Text *reply)
{
    Common__Text *answer = NULL;
    gr_err err =
        shapes_shapes_echo(shapes_shapes_as_caller(self), "another", request, NULL, &answer);

    if (err != GR_OK) {
        return err;
    }
    reply->text = answer->text;
    gr_reply_free(answer); /* does nothing in a grain: the text is there until the reply has left */
    return GR_OK;
}

static const shapes_shapes_methods shapes = {
    .data_bytes = sizeof(notes),
    .activated = activated,
    .sum = sum,
    .later = later,
    .nothing = nothing,
    .echo = echo,
    .fail = fail_with,
    .note = note,
    .notes = read_notes,
    .relay = relay,
};

static gr_err echo_anywhere(shapes_anywhere *self, const Common__Text *request, Common__Text *reply)
{
    return echo_into(shapes_anywhere_grain(self), request, reply);
}

static const shapes_anywhere_methods anywhere = {.echo = echo_anywhere};

static gr_err say(versions_old_thing *self, const char *what, Common__Text *reply)
{
    reply->text = gr_grain_text(versions_old_thing_grain(self), "old %s", what);
    return GR_OK;
}

static gr_err one(versions_old_thing *self, const Common__Text *request, Common__Text *reply)
{
    (void)request;
    return say(self, "one", reply);
}

static gr_err two(versions_old_thing *self, const Common__Text *request, Common__Text *reply)
{
    (void)request;
    return say(self, "two", reply);
}

static gr_err three(versions_old_thing *self, const Common__Text *request, Common__Text *reply)
{
    (void)request;
    return say(self, "three", reply);
}

static const versions_old_thing_methods old_thing = {.one = one, .two = two, .three = three};

/* ---- the cluster: one node, one client */

typedef struct lab {
    char folder[PATH_BYTES];
    char coordinator[PATH_BYTES + 32];
    gr_node *node;
    gr_client *client;
    gr_caller *caller;
} lab;

static int stop_lab(void **state)
{
    lab *made = *state;
    char command[PATH_BYTES + 16];

    gr_client_free(made->client);
    if (made->node != NULL) {
        (void)gr_node_stop(made->node, STOP_MS);
    }
    gr_node_free(made->node);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", made->folder);
    (void)!system(command);
    free(made);
    return 0;
}

static int start_lab(void **state)
{
    gr_kind *kinds[] = {shapes_shapes_kind(&shapes), shapes_anywhere_kind(&anywhere),
                        versions_old_thing_kind(&old_thing), NULL};
    lab *made = calloc(1, sizeof(*made));
    gr_node_options node = {0};
    gr_client_options client = {0};

    (void)snprintf(made->folder, sizeof(made->folder), "/tmp/granary-codegen-XXXXXX");
    assert_non_null(mkdtemp(made->folder));
    (void)snprintf(made->coordinator, sizeof(made->coordinator), "sqlite:%s/cluster.db",
                   made->folder);
    *state = made;
    node.coordinator = made->coordinator;
    client.nodes = made->coordinator;
    if (gr_node_start(&node, kinds, &made->node) != GR_OK ||
        gr_client_start(&client, &made->client) != GR_OK ||
        gr_client_wait_ready(made->client, READY_MS) != GR_OK) {
        print_error("%s\n", gr_last_error()->text);
        return -1;
    }
    made->caller = gr_client_caller(made->client);
    return 0;
}

/* Calls wait for the first node to have its shards. */
static const gr_call_options patient = {.timeout_ms = 20000, .wait_for_host = true};

#define ASSERT_OK(call)                                                                            \
    do {                                                                                           \
        gr_err err_ = (call);                                                                      \
        if (err_ != GR_OK) {                                                                       \
            fail_msg("%s: %s: %s", #call, gr_err_name(err_), gr_last_error()->text);               \
        }                                                                                          \
    } while (0)

/* ---- tests */

static void g03_nested_messages_maps_and_oneofs_arrive_as_they_were_sent(void **state)
{
    lab *l = *state;
    Shapes__Tree__Node leaf = SHAPES__TREE__NODE__INIT;
    Shapes__Tree__Node root = SHAPES__TREE__NODE__INIT;
    Shapes__Tree__Node *children[] = {&leaf, &leaf};
    Shapes__Tree tree = SHAPES__TREE__INIT;
    Shapes__Tree__Node *reply = NULL;

    leaf.value = 20;
    root.value = 2;
    root.n_children = 2;
    root.children = children;
    tree.kind_case = SHAPES__TREE__KIND_NODE;
    tree.node = &root;
    ASSERT_OK(shapes_shapes_sum(l->caller, "oak", &tree, &patient, &reply));
    assert_int_equal(reply->value, 42);
    assert_int_equal(reply->n_marks, 1);
    assert_string_equal(reply->marks[0]->key, "sum of oak");
    assert_int_equal(reply->marks[0]->value, 42);
    gr_reply_free(reply);
}

static void g03_well_known_imported_and_empty_messages_are_arguments(void **state)
{
    lab *l = *state;
    const Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
    Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Google__Protobuf__Timestamp *after = NULL;
    Common__Text text = COMMON__TEXT__INIT;
    Common__Text *echoed = NULL;
    char words[] = "words";
    char *list[] = {words, words};

    at.seconds = 41;
    ASSERT_OK(shapes_shapes_later(l->caller, "clock", &at, &patient, &after));
    assert_int_equal(after->seconds, 42);
    gr_reply_free(after);
    ASSERT_OK(shapes_shapes_nothing(l->caller, "clock", &empty, &patient, NULL));
    text.text = words;
    text.n_list = 2;
    text.list = list;
    ASSERT_OK(shapes_shapes_echo(l->caller, "clock", &text, &patient, &echoed));
    assert_string_equal(echoed->text, "words");
    assert_int_equal(echoed->n_list, 2);
    assert_string_equal(echoed->list[1], "words");
    gr_reply_free(echoed);
}

static void g03_a_stateless_kind_is_called_without_an_identity(void **state)
{
    lab *l = *state;
    Common__Text text = COMMON__TEXT__INIT;
    Common__Text *echoed = NULL;
    char word[] = "anywhere";

    text.text = word;
    ASSERT_OK(shapes_anywhere_echo(l->caller, &text, &patient, &echoed));
    assert_string_equal(echoed->text, "anywhere");
    gr_reply_free(echoed);
}

static void g03_a_grain_calls_a_grain_with_the_same_line(void **state)
{
    lab *l = *state;
    Common__Text text = COMMON__TEXT__INIT;
    Common__Text *relayed = NULL;
    char word[] = "relayed";

    text.text = word;
    ASSERT_OK(shapes_shapes_relay(l->caller, "first", &text, &patient, &relayed));
    assert_string_equal(relayed->text, "relayed");
    gr_reply_free(relayed);
}

static void g03_a_future_is_awaited_and_its_reply_may_be_unwanted(void **state)
{
    lab *l = *state;
    Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Google__Protobuf__Timestamp *after = NULL;
    gr_future *future = NULL;

    ASSERT_OK(shapes_shapes_later_future(l->caller, "clock", &at, &patient, &future));
    ASSERT_OK(shapes_shapes_later_await(l->caller, future, GR_FOREVER, &after));
    assert_int_equal(after->seconds, 1);
    gr_reply_free(after);
    ASSERT_OK(shapes_shapes_later_await(l->caller, future, GR_FOREVER, NULL));
    gr_future_unref(future);
}

/* A one-way call is before a later call of the same caller to the same grain. */
static void g03_one_way_calls_arrive_and_are_not_awaited(void **state)
{
    lab *l = *state;
    const Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
    Shapes__Reason reason = SHAPES__REASON__INIT;
    Shapes__Reason *sum_of_notes = NULL;

    ASSERT_OK(shapes_shapes_nothing(l->caller, "notes", &empty, &patient, NULL));
    reason.code = 3;
    for (int i = 0; i < 10; i++) {
        ASSERT_OK(shapes_shapes_note(l->caller, "notes", &reason, NULL));
    }
    ASSERT_OK(shapes_shapes_nothing_one_way(l->caller, "notes", &empty, NULL));
    ASSERT_OK(shapes_shapes_notes(l->caller, "notes", &empty, &patient, &sum_of_notes));
    assert_int_equal(sum_of_notes->code, 30);
    gr_reply_free(sum_of_notes);
}

static void g03_the_error_of_a_method_arrives_with_its_details(void **state)
{
    lab *l = *state;
    Shapes__Reason reason = SHAPES__REASON__INIT;
    gr_msg *details = NULL;
    gr_call_options options = patient;
    const Shapes__Reason *received = NULL;
    char why[] = "the weather";

    reason.why = why;
    reason.code = 99;
    options.details_type = &shapes_reason_type;
    options.out_details = &details;
    assert_int_equal(shapes_shapes_fail(l->caller, "any", &reason, &options, NULL), GR_EAPP + 1);
    assert_string_equal(gr_last_error()->text, "it failed because of the weather");
    assert_non_null(details);
    received = gr_msg_read(details, &shapes_reason_type);
    assert_non_null(received);
    assert_string_equal(received->why, "the weather");
    assert_int_equal(received->code, 99);
    gr_msg_unref(details);
}

static void g03_the_error_of_the_activated_hook_is_the_answer(void **state)
{
    lab *l = *state;
    const Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;

    assert_int_equal(shapes_shapes_nothing(l->caller, "sleepyhead", &empty, &patient, NULL),
                     GR_EAPP + 7);
    assert_non_null(strstr(gr_last_error()->text, "does not get up"));
}

static void g02_methods_in_another_order_are_the_same_methods(void **state)
{
    lab *l = *state;
    const Common__Text text = COMMON__TEXT__INIT;
    Common__Text *reply = NULL;

    ASSERT_OK(versions_new_thing_one(l->caller, "x", &text, &patient, &reply));
    assert_string_equal(reply->text, "old one");
    gr_reply_free(reply);
    ASSERT_OK(versions_new_thing_three(l->caller, "x", &text, &patient, &reply));
    assert_string_equal(reply->text, "old three");
    gr_reply_free(reply);
}

static void g02_a_renamed_method_is_refused_by_name(void **state)
{
    lab *l = *state;
    const Common__Text text = COMMON__TEXT__INIT;

    assert_int_equal(versions_new_thing_zwei(l->caller, "x", &text, &patient, NULL), GR_ENOMETHOD);
    assert_non_null(strstr(gr_last_error()->text, "Zwei"));
    assert_non_null(strstr(gr_last_error()->text, "versions.Thing"));
}

static void g06_an_optional_method_that_is_left_out_says_so(void **state)
{
    lab *l = *state;
    const Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;

    assert_int_equal(shapes_shapes_maybe(l->caller, "x", &empty, &patient, NULL), GR_ENOMETHOD);
    assert_non_null(strstr(gr_last_error()->text, "Maybe"));
}

static void g06_a_node_refuses_to_start_when_a_method_is_missing_and_names_it(void **state)
{
    lab *l = *state;
    versions_old_thing_methods lacking = old_thing;
    gr_kind *kinds[] = {NULL, NULL};
    gr_node_options options = {.cluster = "lacking", .coordinator = l->coordinator};
    gr_node *node = NULL;

    lacking.two = NULL;
    kinds[0] = versions_old_thing_kind(&lacking);
    assert_int_equal(gr_node_start(&options, kinds, &node), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "Two"));
    assert_non_null(strstr(gr_last_error()->text, "versions.Thing"));
    assert_null(node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(g02_methods_in_another_order_are_the_same_methods),
        cmocka_unit_test(g02_a_renamed_method_is_refused_by_name),
        cmocka_unit_test(g03_nested_messages_maps_and_oneofs_arrive_as_they_were_sent),
        cmocka_unit_test(g03_well_known_imported_and_empty_messages_are_arguments),
        cmocka_unit_test(g03_a_stateless_kind_is_called_without_an_identity),
        cmocka_unit_test(g03_a_grain_calls_a_grain_with_the_same_line),
        cmocka_unit_test(g03_a_future_is_awaited_and_its_reply_may_be_unwanted),
        cmocka_unit_test(g03_one_way_calls_arrive_and_are_not_awaited),
        cmocka_unit_test(g03_the_error_of_a_method_arrives_with_its_details),
        cmocka_unit_test(g03_the_error_of_the_activated_hook_is_the_answer),
        cmocka_unit_test(g06_an_optional_method_that_is_left_out_says_so),
        cmocka_unit_test(g06_a_node_refuses_to_start_when_a_method_is_missing_and_names_it),
    };

    return cmocka_run_group_tests(tests, start_lab, stop_lab);
}
