/*
 * Finds names that two things share, by sorting. A clash of two things is reported once, with the first of the names that
 * they share: the others follow from it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "clashes.h"

#include <stdlib.h>
#include <string.h>

struct gri_name_use {
    const char *name;
    const char *form;
    const char *what;
    const char *called;
    gri_spot spot;
    size_t order;
};

void gri_names_take(gri_names *names, const char *name, const char *form, const char *what,
                    const char *called, gri_spot spot)
{
    if (names->count == names->room) {
        size_t room = names->room == 0 ? 256 : 2 * names->room;
        struct gri_name_use *uses = gri_arena_array(names->arena, room, sizeof(*uses));

        if (names->count > 0) {
            memcpy(uses, names->uses, names->count * sizeof(*uses));
        }
        names->uses = uses;
        names->room = room;
    }
    names->uses[names->count] = (struct gri_name_use){name, form, what, called, spot, names->count};
    names->count++;
}

/* Two uses of one name; the second is the later one. */
typedef struct clash {
    const struct gri_name_use *first;
    const struct gri_name_use *second;
} clash;

static int compare_uses(const void *left, const void *right)
{
    const struct gri_name_use *a = left;
    const struct gri_name_use *b = right;
    int order = strcmp(a->name, b->name);

    return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

static int compare_clashes(const void *left, const void *right)
{
    const clash *a = left;
    const clash *b = right;

    return (a->second->order > b->second->order) - (a->second->order < b->second->order);
}

/* Whether both are names of the same thing in a .proto file. */
static bool is_of_same(const struct gri_name_use *a, const struct gri_name_use *b)
{
    return a->spot.file == b->spot.file && a->spot.path == b->spot.path;
}

/* Whether an earlier clash was between the same two things: what follows from it is not news. */
static bool is_news(const clash *clashes, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (is_of_same(clashes[i].first, clashes[index].first) &&
            is_of_same(clashes[i].second, clashes[index].second)) {
            return false;
        }
    }
    return true;
}

/* The later one is where the error is; where both are of the same sort it reads shorter. */
static void report(const clash *pair, gri_trouble *trouble)
{
    const struct gri_name_use *first = pair->first;
    const struct gri_name_use *second = pair->second;

    if (strcmp(first->what, second->what) == 0 && *first->form == '\0' && *second->form == '\0') {
        gri_trouble_add(trouble, second->spot, "%ss '%s' and '%s' both become %s", first->what,
                        first->called, second->called, first->name);
    } else {
        gri_trouble_add(trouble, second->spot, "%s%s '%s' and %s%s '%s' both become %s",
                        first->form, first->what, first->called, second->form, second->what,
                        second->called, first->name);
    }
}

static void check_clashes(const gri_names *names, gri_trouble *trouble)
{
    clash *clashes = gri_arena_array(names->arena, names->count, sizeof(*clashes));
    size_t count = 0;

    if (names->count > 0) {
        qsort(names->uses, names->count, sizeof(*names->uses), compare_uses);
    }
    for (size_t i = 1; i < names->count; i++) {
        if (strcmp(names->uses[i - 1].name, names->uses[i].name) == 0) {
            clashes[count++] = (clash){&names->uses[i - 1], &names->uses[i]};
        }
    }
    if (count > 0) {
        qsort(clashes, count, sizeof(*clashes), compare_clashes);
    }
    for (size_t i = 0; i < count && !gri_trouble_is_full(trouble); i++) {
        if (is_news(clashes, i)) {
            report(&clashes[i], trouble);
        }
    }
}

void gri_names_check(const gri_names *names, gri_trouble *trouble)
{
    for (size_t i = 0; i < names->count; i++) {
        const struct gri_name_use *use = &names->uses[i];
        bool is_head = strcmp(use->what, "method") != 0 && *use->form == '\0';

        if (is_head && (strncmp(use->name, "gr_", 3) == 0 || strncmp(use->name, "gri_", 4) == 0)) {
            gri_trouble_add(trouble, use->spot,
                            "%s '%s' becomes %s, but such names are the library's own: choose "
                            "another package or name",
                            use->what, use->called, use->name);
        }
    }
    check_clashes(names, trouble);
}
