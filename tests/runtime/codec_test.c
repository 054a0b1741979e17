/*
 * The codec of protobuf-c messages: there and back, copies, and bytes that mean harm.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <gri/mem.h>

#include "tree.pb-c.h"

static const gr_type tree_type = GR_PROTO_TYPE("lab.Tree", Lab__Tree, lab__tree__descriptor);
static const gr_type empty_type = GR_PROTO_TYPE("lab.Empty", Lab__Empty, lab__empty__descriptor);

typedef struct bytes {
    uint8_t *data;
    size_t count;
} bytes;

static bytes pack(const gr_type *type, const gr_msg *msg)
{
    const void *payload = gr_msg_read(msg, type);
    bytes packed = {NULL, type->codec->packed_bytes(type, payload)};

    packed.data = malloc(packed.count + 1);
    assert_non_null(packed.data);
    type->codec->pack(type, payload, packed.data);
    return packed;
}

/* A tree with something of everything; its parts are static. */
static void plant(Lab__Tree *tree, Lab__Tree *branch)
{
    static Lab__Tree *branches[2];
    static int32_t rings[] = {1, -2, 300000, INT32_MIN, INT32_MAX};
    static char *leaves[] = {(char *)"a", (char *)"", (char *)"\xc3\xa4\xe2\x82\xac"};
    static Lab__Tree__BirdsEntry bird = LAB__TREE__BIRDS_ENTRY__INIT;
    static Lab__Tree__BirdsEntry *birds[] = {&bird};
    static uint8_t bark[] = {0, 1, 2, 255, 0};

    lab__tree__init(tree);
    lab__tree__init(branch);
    branch->name = (char *)"branch";
    branch->fruit_case = LAB__TREE__FRUIT_NUTS;
    branch->nuts = INT64_MIN;
    branches[0] = branch;
    branches[1] = branch;
    bird.key = (char *)"robin";
    bird.value = (char *)"red";
    tree->name = (char *)"oak";
    tree->n_branches = 2;
    tree->branches = branches;
    tree->bark = (ProtobufCBinaryData){sizeof(bark), bark};
    tree->n_rings = 5;
    tree->rings = rings;
    tree->n_birds = 1;
    tree->birds = birds;
    tree->fruit_case = LAB__TREE__FRUIT_GRAFT;
    tree->graft = branch;
    tree->height = -1.5e300;
    tree->n_leaves = 3;
    tree->leaves = leaves;
}

static void check(const Lab__Tree *tree)
{
    assert_string_equal(tree->name, "oak");
    assert_int_equal(tree->n_branches, 2);
    assert_string_equal(tree->branches[1]->name, "branch");
    assert_true(tree->branches[1]->nuts == INT64_MIN);
    assert_int_equal(tree->bark.len, 5);
    assert_int_equal(tree->bark.data[3], 255);
    assert_int_equal(tree->n_rings, 5);
    assert_int_equal(tree->rings[3], INT32_MIN);
    assert_int_equal(tree->n_birds, 1);
    assert_string_equal(tree->birds[0]->value, "red");
    assert_int_equal(tree->fruit_case, LAB__TREE__FRUIT_GRAFT);
    assert_string_equal(tree->graft->name, "branch");
    assert_true(tree->height == -1.5e300);
    assert_int_equal(tree->n_leaves, 3);
    assert_string_equal(tree->leaves[1], "");
    assert_string_equal(tree->leaves[2], "\xc3\xa4\xe2\x82\xac");
}

static void a_message_goes_there_and_back(void **state)
{
    Lab__Tree tree;
    Lab__Tree branch;
    gr_msg *msg = NULL;
    gr_msg *back = NULL;
    bytes packed;

    (void)state;
    plant(&tree, &branch);
    assert_int_equal(gr_msg_new_proto(&tree_type, &tree, &msg), GR_OK);
    branch.name = (char *)"changed"; /* the copy is deep */
    check(gr_msg_read(msg, &tree_type));
    packed = pack(&tree_type, msg);
    assert_int_equal(packed.count, lab__tree__get_packed_size(gr_msg_read(msg, &tree_type)));
    msg = gr_msg_unref(msg);
    assert_int_equal(gr_msg_unpack(&tree_type, packed.data, packed.count, &back), GR_OK);
    memset(packed.data, 0xee, packed.count); /* nothing refers to the bytes */
    check(gr_msg_read(back, &tree_type));
    back = gr_msg_unref(back);
    free(packed.data);
}

static void nothing_at_all_is_a_message_too(void **state)
{
    gr_msg *msg = NULL;

    (void)state;
    assert_int_equal(gr_msg_unpack(&empty_type, NULL, 0, &msg), GR_OK);
    msg = gr_msg_unref(msg);
    assert_int_equal(gr_msg_unpack(&tree_type, (const uint8_t *)"", 0, &msg), GR_OK);
    assert_string_equal(((const Lab__Tree *)gr_msg_read(msg, &tree_type))->name, "");
    msg = gr_msg_unref(msg);
}

static void a_plain_type_has_no_codec(void **state)
{
    gr_msg *msg = NULL;
    lab_word word = {1, {0, 0, 0}};

    (void)state;
    assert_int_equal(gr_msg_unpack(&lab_word_type, (const uint8_t *)"x", 1, &msg), GR_EINVAL);
    assert_int_equal(gr_msg_new_proto(&lab_word_type, &word, &msg), GR_EINVAL);
    assert_null(msg);
}

/* ---- bytes that mean harm */

/* `depth` trees inside each other, as bytes; malloc'd. */
static bytes nested(size_t depth)
{
    size_t room = depth * 8 + 16;
    uint8_t *at = malloc(room);
    size_t begin = room;

    assert_non_null(at);
    for (size_t i = 1; i < depth; i++) { /* from the inside out */
        size_t inner = room - begin;
        uint8_t length[5];
        size_t n = 0;

        do {
            length[n++] = (uint8_t)((inner & 0x7f) | (inner > 0x7f ? 0x80 : 0));
            inner >>= 7;
        } while (inner != 0);
        begin -= n;
        memcpy(at + begin, length, n);
        at[--begin] = 0x12; /* field 2, a sub-message */
    }
    memmove(at, at + begin, room - begin);
    return (bytes){at, room - begin};
}

static void a_hundred_levels_pass_and_more_are_refused(void **state)
{
    size_t passes[] = {1, 2, 50, 100};
    size_t fails[] = {102, 1000, 100000};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        bytes deep = nested(passes[i]);
        gr_msg *msg = NULL;

        assert_int_equal(gr_msg_unpack(&tree_type, deep.data, deep.count, &msg), GR_OK);
        msg = gr_msg_unref(msg);
        free(deep.data);
    }
    for (size_t i = 0; i < 3; i++) {
        bytes deep = nested(fails[i]);
        gr_msg *msg = NULL;

        assert_int_equal(gr_msg_unpack(&tree_type, deep.data, deep.count, &msg), GR_EDECODE);
        assert_true(strlen(gr_last_error()->text) > 0);
        assert_null(msg);
        free(deep.data);
    }
}

/* Unpacks and copies what it is given on its own small stack. */
static gr_err unpacker_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    bytes *deep = gr_context_arg(ctx);
    gr_msg *tree = NULL;
    gr_msg *copy = NULL;

    (void)state;
    (void)msg;
    lab_require(gr_msg_unpack(&tree_type, deep->data, deep->count, &tree) == GR_OK);
    lab_require(gr_msg_new_proto(&tree_type, gr_msg_payload(tree), &copy) == GR_OK);
    tree = gr_msg_unref(tree);
    return gr_respond(ctx, copy);
}

static void a_handler_may_unpack_a_hundred_levels(void **state)
{
    struct lab *lab = *state;
    bytes deep = nested(100);
    gr_props props = {.receive = unpacker_receive, .arg = &deep};
    gr_pid pid = lab_spawn_props(lab, &props, NULL);
    gr_msg *reply = NULL;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(gr_request(lab->sys, pid, lab_word_new(1), GR_FOREVER, &reply), GR_OK);
        assert_ptr_equal(gr_msg_type(reply), &tree_type);
        reply = gr_msg_unref(reply);
    }
    free(deep.data);
}

/* Trees inside each other: so many levels below the first, each by a branch or by a graft. */
static Lab__Tree *tower(struct lab *lab, size_t levels)
{
    Lab__Tree *trees = lab_own(lab, (levels + 1) * sizeof(*trees));
    Lab__Tree **below = lab_own(lab, (levels + 1) * sizeof(*below));

    for (size_t i = 0; i <= levels; i++) {
        lab__tree__init(&trees[i]);
        trees[i].height = (double)i;
        below[i] = &trees[i];
    }
    for (size_t i = 0; i < levels; i++) {
        if (i % 2 == 0) {
            trees[i].n_branches = 1;
            trees[i].branches = &below[i + 1];
        } else {
            trees[i].fruit_case = LAB__TREE__FRUIT_GRAFT;
            trees[i].graft = &trees[i + 1];
        }
    }
    return trees;
}

static size_t height_of(const Lab__Tree *tree)
{
    size_t levels = 0;

    while (tree->n_branches != 0 || tree->fruit_case == LAB__TREE__FRUIT_GRAFT) {
        tree = tree->n_branches != 0 ? tree->branches[0] : tree->graft;
        levels++;
    }
    return levels;
}

/* Packs and copies a tower on its own small stack. */
static gr_err packer_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const Lab__Tree *top = gr_context_arg(ctx);
    gr_msg *copy = NULL;
    size_t count = 0;
    uint8_t *packed = NULL;

    (void)state;
    (void)msg;
    count = gr_proto_codec.packed_bytes(&tree_type, top);
    if (gr_msg_new_proto(&tree_type, top, &copy) != GR_OK) {
        lab_require(count == SIZE_MAX);
        return gr_last_error()->code;
    }
    lab_require(count == lab__tree__get_packed_size(gr_msg_read(copy, &tree_type)));
    packed = gr_context_alloc(ctx, count);
    lab_require(packed != NULL);
    gr_proto_codec.pack(&tree_type, top, packed);
    return gr_respond(ctx, copy);
}

static void a_handler_may_pack_a_hundred_levels_and_more_are_refused(void **state)
{
    struct lab *lab = *state;
    gr_system_options options = {.stack_bytes = 16 * 1024}; /* the least there is */
    size_t levels[] = {0, 1, 8, 9, 99, 100, 101, 200, 20000};

    lab_reopen(lab, &options);
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        gr_props props = {.receive = packer_receive, .arg = tower(lab, levels[i])};
        gr_pid pid = lab_spawn_props(lab, &props, NULL);
        gr_msg *reply = NULL;
        gr_err err = gr_request(lab->sys, pid, lab_word_new(1), GR_FOREVER, &reply);

        if (levels[i] <= 100) {
            assert_int_equal(err, GR_OK);
            assert_int_equal(height_of(gr_msg_read(reply, &tree_type)), levels[i]);
            reply = gr_msg_unref(reply);
        } else {
            assert_int_equal(err, GR_EINVAL);
            assert_non_null(strstr(gr_last_error()->text, "deeper than 100 levels"));
        }
    }
}

static void a_message_that_holds_itself_is_refused(void **state)
{
    struct lab *lab = *state;
    Lab__Tree *trees = tower(lab, 3);
    gr_msg *msg = NULL;

    trees[3].fruit_case = LAB__TREE__FRUIT_GRAFT;
    trees[3].graft = trees;
    assert_int_equal(gr_msg_new_proto(&tree_type, trees, &msg), GR_EINVAL);
    trees[3].graft = NULL; /* chosen, and not there */
    assert_int_equal(gr_msg_new_proto(&tree_type, trees, &msg), GR_OK);
    msg = gr_msg_unref(msg);
}

static void text_that_is_not_utf_8_is_refused(void **state)
{
    const char *bad[] = {"\xff",         "\xc3",
                         "\xc0\x80",     "\xe2\x82",
                         "\xed\xa0\x80", "\xf5\x80\x80\x80",
                         "a\x80z",       "\xf0\x80\x80\x80"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t data[16] = {0x0a, (uint8_t)strlen(bad[i])}; /* field 1: name */
        gr_msg *msg = NULL;

        memcpy(data + 2, bad[i], strlen(bad[i]));
        assert_int_equal(gr_msg_unpack(&tree_type, data, 2 + strlen(bad[i]), &msg), GR_EDECODE);
        data[0] = 0x1a; /* field 3, bytes: anything goes */
        assert_int_equal(gr_msg_unpack(&tree_type, data, 2 + strlen(bad[i]), &msg), GR_OK);
        msg = gr_msg_unref(msg);
        data[0] = 0x32; /* field 6, text inside the oneof */
        assert_int_equal(gr_msg_unpack(&tree_type, data, 2 + strlen(bad[i]), &msg), GR_EDECODE);
    }
}

static void unknown_fields_are_tolerated(void **state)
{
    const uint8_t data[] = {0x0a, 3,    'o', 'a', 'k',    /* name */
                            0xa2, 0x06, 2,   1,   2,      /* field 100: bytes */
                            0xa8, 0x06, 5,                /* field 101: a number */
                            0xb5, 0x06, 1,   2,   3,   4, /* field 102: 32 bits */
                            0xb9, 0x06, 1,   2,   3,   4, 5, 6, 7, 8};
    gr_msg *msg = NULL;

    (void)state;
    assert_int_equal(gr_msg_unpack(&tree_type, data, sizeof(data), &msg), GR_OK);
    assert_string_equal(((const Lab__Tree *)gr_msg_read(msg, &tree_type))->name, "oak");
    msg = gr_msg_unref(msg);
}

static void every_cut_and_every_flipped_bit_is_an_error_or_a_message(void **state)
{
    Lab__Tree tree;
    Lab__Tree branch;
    gr_msg *msg = NULL;
    bytes packed;

    (void)state;
    plant(&tree, &branch);
    assert_int_equal(gr_msg_new_proto(&tree_type, &tree, &msg), GR_OK);
    packed = pack(&tree_type, msg);
    msg = gr_msg_unref(msg);
    for (size_t count = 0; count < packed.count; count++) {
        uint8_t *exact = malloc(count == 0 ? 1 : count); /* a sanitizer sees a read past it */

        assert_non_null(exact);
        memcpy(exact, packed.data, count);
        if (gr_msg_unpack(&tree_type, exact, count, &msg) == GR_OK) {
            msg = gr_msg_unref(msg);
        }
        free(exact);
    }
    for (size_t bit = 0; bit < 8 * packed.count; bit++) {
        packed.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (gr_msg_unpack(&tree_type, packed.data, packed.count, &msg) == GR_OK) {
            msg = gr_msg_unref(msg);
        }
        packed.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(packed.data);
}

static void random_bytes_are_an_error_or_a_message(void **state)
{
    uint64_t seed = 88172645463325252u;

    (void)state;
    for (size_t round = 0; round < lab_scaled(20000); round++) {
        uint8_t data[64];
        gr_msg *msg = NULL;
        size_t count = 0;

        for (size_t i = 0; i < sizeof(data); i++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            data[i] = (uint8_t)seed;
        }
        count = data[0] % sizeof(data);
        if (gr_msg_unpack(&tree_type, data + 1, count, &msg) == GR_OK) {
            msg = gr_msg_unref(msg);
        }
    }
}

static void memory_for_what_is_received_is_bounded(void **state)
{
    enum { BRANCHES = 20000 };
    uint8_t *data = malloc(2 * BRANCHES);
    gr_msg *msg = NULL;
    gr_err err = GR_OK;

    (void)state;
    assert_non_null(data);
    for (size_t i = 0; i < BRANCHES; i++) { /* each an empty sub-message of two bytes */
        data[2 * i] = 0x12;
        data[2 * i + 1] = 0;
    }
    err = gr_msg_unpack(&tree_type, data, (size_t)2 * BRANCHES, &msg);
    assert_int_equal(err, GR_EDECODE); /* more than 64 times the bytes received */
    assert_null(msg);
    free(data);
}

static void r36_each_allocation_fails_in_the_codec(void **state)
{
    Lab__Tree tree;
    Lab__Tree branch;
    gr_msg *msg = NULL;
    bytes packed;
    uint64_t nth = 0;
    gr_err err = GR_OK;

    (void)state;
    plant(&tree, &branch);
    assert_int_equal(gr_msg_new_proto(&tree_type, &tree, &msg), GR_OK);
    packed = pack(&tree_type, msg);
    msg = gr_msg_unref(msg);
    do {
        nth++;
        gri_mem_fail_nth(nth);
        err = gr_msg_unpack(&tree_type, packed.data, packed.count, &msg);
        gri_mem_fail_nth(0);
        assert_true(err == GR_OK || err == GR_ENOMEM);
        msg = gr_msg_unref(msg);
    } while (err != GR_OK);
    nth = 0;
    do {
        nth++;
        gri_mem_fail_nth(nth);
        err = gr_msg_new_proto(&tree_type, &tree, &msg);
        gri_mem_fail_nth(0);
        assert_true(err == GR_OK || err == GR_ENOMEM);
        msg = gr_msg_unref(msg);
    } while (err != GR_OK);
    free(packed.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_goes_there_and_back),
        cmocka_unit_test(nothing_at_all_is_a_message_too),
        cmocka_unit_test(a_plain_type_has_no_codec),
        cmocka_unit_test(a_hundred_levels_pass_and_more_are_refused),
        LAB_STEPPED(a_handler_may_unpack_a_hundred_levels),
        LAB_BOTH(a_handler_may_pack_a_hundred_levels_and_more_are_refused),
        LAB_STEPPED(a_message_that_holds_itself_is_refused),
        LAB_THREADS(a_handler_may_unpack_a_hundred_levels),
        cmocka_unit_test(text_that_is_not_utf_8_is_refused),
        cmocka_unit_test(unknown_fields_are_tolerated),
        cmocka_unit_test(every_cut_and_every_flipped_bit_is_an_error_or_a_message),
        cmocka_unit_test(random_bytes_are_an_error_or_a_message),
        cmocka_unit_test(memory_for_what_is_received_is_bounded),
        cmocka_unit_test(r36_each_allocation_fails_in_the_codec),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
