/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 by the SHA extensions of x86-64 (Intel's manual, volume 2, SHA256RNDS2 and its neighbours).
 *
 * The instructions want the eight words of the state as ABEF and CDGH, two rounds at a time. The message schedule runs in
 * four vectors of four words each: the vector for rounds t to t+3 takes the place of that of t-16 to t-13.
 */
#include "base/sha256_blocks.h"

#include <cpuid.h>
#include <immintrin.h>

#define WITH_SHA __attribute__((target("sha,sse4.1")))

bool sha256_has_blocks(void)
{
	unsigned int a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSSE3) || !(c & bit_SSE4_1))
		return false;
	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

struct words {
	__m128i abef, cdgh;
};

/* Rounds t to t+3, with the words of the schedule for them. */
WITH_SHA static inline void four_rounds(struct words *s, __m128i w, int t)
{
	__m128i k = _mm_loadu_si128((const __m128i_u *)&sha256_round_constant[t]);
	__m128i sum = _mm_add_epi32(w, k);

	s->cdgh = _mm_sha256rnds2_epu32(s->cdgh, s->abef, sum);
	s->abef = _mm_sha256rnds2_epu32(s->abef, s->cdgh, _mm_shuffle_epi32(sum, 0x0e));
}

/* What follows the schedule's last four vectors. */
WITH_SHA static inline __m128i next_words(__m128i w16, __m128i w12, __m128i w8, __m128i w4)
{
	__m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w16, w12), _mm_alignr_epi8(w4, w8, 4));

	return _mm_sha256msg2_epu32(sum, w4);
}

/* Four words of the message, which has them with the highest byte first. */
WITH_SHA static inline __m128i load_words(const uint8_t *p)
{
	const __m128i order = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);

	return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i_u *)p), order);
}

WITH_SHA static inline void add_block(struct words *s, const uint8_t *p)
{
	__m128i w0 = load_words(p), w1 = load_words(p + 16);
	__m128i w2 = load_words(p + 32), w3 = load_words(p + 48);
	struct words before = *s;

	for (int t = 0;; t += 16) {
		four_rounds(s, w0, t);
		four_rounds(s, w1, t + 4);
		four_rounds(s, w2, t + 8);
		four_rounds(s, w3, t + 12);
		if (t == 48)
			break;
		w0 = next_words(w0, w1, w2, w3);
		w1 = next_words(w1, w2, w3, w0);
		w2 = next_words(w2, w3, w0, w1);
		w3 = next_words(w3, w0, w1, w2);
	}
	s->abef = _mm_add_epi32(s->abef, before.abef);
	s->cdgh = _mm_add_epi32(s->cdgh, before.cdgh);
}

WITH_SHA void sha256_blocks(uint32_t state[8], const uint8_t *p, size_t n)
{
	__m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i_u *)state), 0xb1);
	__m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i_u *)(state + 4)), 0x1b);
	struct words s = { _mm_alignr_epi8(cdab, efgh, 8), _mm_blend_epi16(efgh, cdab, 0xf0) };
	__m128i feba, dchg;

	for (size_t i = 0; i < n; i++)
		add_block(&s, p + i * 64);
	feba = _mm_shuffle_epi32(s.abef, 0x1b);
	dchg = _mm_shuffle_epi32(s.cdgh, 0xb1);
	_mm_storeu_si128((__m128i_u *)state, _mm_blend_epi16(feba, dchg, 0xf0));
	_mm_storeu_si128((__m128i_u *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}
