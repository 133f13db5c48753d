/* SPDX-License-Identifier: MIT */
/*
 * The baseline: arbitrary bytes as its file, as they are and with a digest that fits, so that the
 * rest is read too; then the same bytes as things that are noted at arbitrary times. What it saves
 * it can read again, and then saves the same.
 */
#include <nettle/sha2.h>
#include <nettle/version.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "detect/baseline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct baseline_config cfg = { .learning_days = 1,
					    .window_min = 15,
					    .max_entries = 32 };

static void need(int ok)
{
	if (!ok)
		abort();
}

static void digest(const char *data, size_t len, uint8_t *out)
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, len, (const uint8_t *)data);
#if NETTLE_VERSION_MAJOR >= 4
	sha256_digest(&ctx, out);
#else
	sha256_digest(&ctx, SHA256_DIGEST_SIZE, out);
#endif
}

/* An entry that was read may lie in a fuller bucket than it was saved from: then one is gone. */
static void there_and_back(const struct baseline *b)
{
	struct baseline *back = baseline_new(&cfg), *again = baseline_new(&cfg);
	struct buf first = { 0 }, second = { 0 };

	need(back && again);
	need(baseline_save(b, &first) == 0);
	need(baseline_load(back, first.data, first.len) == 0);
	need(baseline_save(back, &second) == 0);
	need(baseline_load(again, second.data, second.len) == 0);
	need(second.len <= first.len);
	baseline_free(back);
	baseline_free(again);
	buf_free(&first);
	buf_free(&second);
}

/* Eight bytes of time, a kind, a length, a name. */
static void note_all(struct baseline *b, const uint8_t *data, size_t size)
{
	struct baseline_state state;
	edr_s64 t;

	while (size >= 10) {
		size_t len = data[9] < size - 10 ? data[9] : size - 10;
		const struct baseline_key key = { data[8] % BASELINE_KINDS,
						  { (const char *)data + 10, len / 2 },
						  { (const char *)data + 10 + len / 2,
						    len - len / 2 },
						  data[8] };
		struct baseline_seen seen;

		memcpy(&t, data, sizeof(t));
		if (data[8] & 0x80)
			baseline_learn(b, &key, t,
				       (edr_s64)((edr_u64)t + data[9] * 1000000000000ull), data[9]);
		else if (data[8] & 0x40)
			baseline_count_execs(b, t, data[9]);
		else
			baseline_note(b, &key, t);
		seen = baseline_look(b, &key, t);
		need(!seen.known || seen.days > 0);
		baseline_state(b, t, (edr_s64)((edr_u64)t + 900000000000ull), &state);
		need(state.entries <= state.max_entries && state.max_entries == 32);
		data += 10 + len;
		size -= 10 + len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct baseline *b = baseline_new(&cfg);
	char *copy = malloc(size + SHA256_DIGEST_SIZE);

	need(b && copy);
	memcpy(copy, data, size);
	baseline_load(b, copy, size);
	digest(copy, size, (uint8_t *)copy + size);
	baseline_load(b, copy, size + SHA256_DIGEST_SIZE);
	there_and_back(b);
	note_all(b, data, size);
	there_and_back(b);
	baseline_free(b);
	free(copy);
	return 0;
}
