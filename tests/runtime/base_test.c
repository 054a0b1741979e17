/*
 * What all layers stand on: bytes with an order, readers that never run past their end, buffers that grow, and
 * allocations that fail on demand.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <gri/bytes.h>
#include <gri/mem.h>

static void numbers_are_little_endian_everywhere(void **state)
{
    uint8_t at[8];
    const uint8_t want[] = {8, 7, 6, 5, 4, 3, 2, 1};

    (void)state;
    gri_put_u64(at, UINT64_C(0x0102030405060708));
    assert_memory_equal(at, want, 8);
    assert_true(gri_get_u64(at) == UINT64_C(0x0102030405060708));
    assert_int_equal(gri_get_u32(at), 0x05060708);
    assert_int_equal(gri_get_u16(at), 0x0708);
    memset(at, 0xff, sizeof(at));
    assert_true(gri_get_u64(at) == UINT64_MAX);
    assert_int_equal(gri_get_u32(at), UINT32_MAX);
    gri_put_u16(at, 0xfffe);
    assert_int_equal(at[0], 0xfe);
}

static void a_reader_stops_at_its_end_and_stays_stopped(void **state)
{
    const uint8_t data[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    gri_reader reader = gri_reader_of(data, sizeof(data));

    (void)state;
    assert_int_equal(gri_read_u8(&reader), 1);
    assert_int_equal(gri_read_u16(&reader), 0x0302);
    assert_int_equal(gri_read_u32(&reader), 0x07060504);
    assert_true(reader.ok);
    assert_int_equal(gri_read_u32(&reader), 0); /* two bytes are left */
    assert_false(reader.ok);
    assert_int_equal(gri_read_u8(&reader), 0); /* also for what would have fitted */
    assert_null(gri_read_bytes(&reader, 1));
    reader = gri_reader_of(data, sizeof(data));
    assert_null(gri_read_bytes(&reader, SIZE_MAX));
    assert_false(reader.ok);
    reader = gri_reader_of(data, 8);
    assert_true(gri_read_u64(&reader) == UINT64_C(0x0807060504030201));
    assert_true(reader.ok && reader.left == 0);
}

static void a_buffer_grows_and_keeps_what_it_has(void **state)
{
    gri_buffer buffer = {0};

    (void)state;
    for (size_t i = 0; i < 5000; i++) {
        uint8_t *at = gri_buffer_add(&buffer, 1 + i % 7);

        assert_non_null(at);
        memset(at, (int)(i % 251), 1 + i % 7);
    }
    for (size_t i = 0, at = 0; i < 5000; at += 1 + i % 7, i++) {
        assert_int_equal(buffer.data[at], i % 251);
    }
    gri_buffer_fini(&buffer);
    assert_int_equal(buffer.count, 0);
    assert_null(buffer.data);
    gri_buffer_fini(&buffer);
}

static void a_buffer_that_cannot_grow_is_as_before(void **state)
{
    gri_buffer buffer = {0};
    size_t count = 0;

    (void)state;
    memset(gri_buffer_add(&buffer, 10), 7, 10);
    gri_mem_fail_nth(1);
    while (gri_buffer_add(&buffer, 10) != NULL) {
        count++;
        assert_true(count < 1000);
    }
    gri_mem_fail_nth(0);
    assert_int_equal(buffer.count, 10 + 10 * count);
    assert_int_equal(buffer.data[9], 7);
    assert_null(gri_buffer_add(&buffer, SIZE_MAX - 5));
    assert_int_equal(buffer.count, 10 + 10 * count);
    assert_non_null(gri_buffer_add(&buffer, 10)); /* and goes on later */
    gri_buffer_fini(&buffer);
}

static void the_nth_allocation_fails_once(void **state)
{
    void *blocks[4] = {NULL};

    (void)state;
    gri_mem_fail_nth(3);
    blocks[0] = gri_alloc(1);
    blocks[1] = gri_calloc(2, 2);
    blocks[2] = gri_alloc(1);
    blocks[3] = gri_alloc(0);
    assert_int_equal(gri_mem_count(), 4);
    gri_mem_fail_nth(0);
    assert_non_null(blocks[0]);
    assert_non_null(blocks[1]);
    assert_null(blocks[2]);
    assert_non_null(blocks[3]);
    for (size_t i = 0; i < 4; i++) {
        gri_free(blocks[i]);
    }
}

static void texts_are_formatted_on_the_heap(void **state)
{
    char *text = gri_text("%s has %d", "a", 5);
    char *copy = gri_strdup("copy");

    (void)state;
    assert_string_equal(text, "a has 5");
    assert_string_equal(copy, "copy");
    gri_free(text);
    gri_free(copy);
    gri_mem_fail_nth(1);
    assert_null(gri_text("%d", 1));
    gri_mem_fail_nth(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_little_endian_everywhere),
        cmocka_unit_test(a_reader_stops_at_its_end_and_stays_stopped),
        cmocka_unit_test(a_buffer_grows_and_keeps_what_it_has),
        cmocka_unit_test(a_buffer_that_cannot_grow_is_as_before),
        cmocka_unit_test(the_nth_allocation_fails_once),
        cmocka_unit_test(texts_are_formatted_on_the_heap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
