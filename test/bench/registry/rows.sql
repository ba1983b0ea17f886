-- The people numbered :first to :last; several sessions may each fill a range. The same range gives the same rows.
\set ON_ERROR_STOP 1
SET timezone = 'UTC';
SET synchronous_commit = off;

INSERT INTO respondents
SELECT md5('respondent ' || n)::uuid, lpad((n * 7919::bigint % 99999999999)::text, 11, '0'),
  (ARRAY['Ọláyínká', 'Mọ́jísọ́lá', 'Tùndé', 'Fúnmiláyọ̀', 'Chinwe', 'Adéṣínà', 'Ṣadé', 'Ìyábọ̀', 'Bọ́lá', 'Kúnlé'])[1 + (h & 1023) % 10] || ' ' ||
  (ARRAY['Àjàyí', 'Ọ̀ṣúnlékè', 'Kúti', 'Okafor', 'Ògúnlẹ́yẹ', 'Adéyẹmí', 'Balógun', 'Akíntọ́lá', 'Ṣóyínká', 'Bello'])[1 + (h >> 10 & 1023) % 10] || ' ' || n,
  (ARRAY['Ibadan North', 'Ibarapa East', 'Ogbomosho South', 'Ìṣẹ́yìn', 'Saki West', 'Oluyole', 'Egbeda', 'Akinyele'])[1 + (h >> 4 & 7)],
  CASE WHEN n % 7 = 0 THEN NULL ELSE '+23480' || lpad((h & 99999999)::text, 8, '0') END,
  jsonb_build_object(
    'trades', jsonb_build_array((ARRAY['tailor', 'welder', 'plumber', 'electrician', 'carpenter', 'hairdresser', 'mechanic', 'caterer'])[1 + (h & 7)],
      (ARRAY['farmer', 'driver', 'mason', 'painter'])[1 + (h >> 3 & 3)]),
    'years', h >> 5 & 31, 'certified', n % 3 = 0, 'certificate', substr(md5(n::text), 1, 12)),
  CASE n % 11
    WHEN 0 THEN E'tab\there, line\nbreak, back\\slash, \\. and \\N'
    WHEN 1 THEN NULL
    ELSE 'Interviewed at home by the team of ward ' || (h >> 7 & 63) || '; documents seen: ' || substr(md5('n' || n), 1, 16) || '. ' ||
      (ARRAY['Wants training in bookkeeping.', 'Owns the tools of the trade.', 'Looks for two apprentices.', 'Speaks Yorùbá and English.'])[1 + (h >> 9 & 3)]
  END,
  CASE WHEN n % 50 = 0 THEN decode(repeat(md5('a' || n) || md5('b' || n) || md5('c' || n) || md5('d' || n), 24), 'hex') END,
  md5('user ' || h % 5000)::uuid,
  timestamptz '2025-02-01 00:00:00Z' + n * interval '61.017 seconds'
FROM (SELECT n, hashint4(n) & 1073741823 AS h FROM generate_series(:first, :last) AS n) AS person;

INSERT INTO submissions
SELECT n, md5('respondent ' || n)::uuid, 'skills-' || n % 4,
  jsonb_build_object(
    'household_size', 1 + (h & 7), 'dwelling', (ARRAY['rented room', 'family house', 'own house', 'official quarters'])[1 + (h >> 3 & 3)],
    'education', (ARRAY['none', 'primary school', 'secondary school', 'technical college', 'university'])[1 + (h >> 5 & 255) % 5],
    'employment', (ARRAY['self-employed', 'wage employment', 'apprentice', 'unemployed', 'unpaid family worker'])[1 + (h >> 8 & 255) % 5],
    'monthly_income_naira', (h >> 6 & 511) * 500, 'has_bank_account', h & 1 = 1, 'has_smartphone', h & 2 = 2,
    'training_wanted', (ARRAY['bookkeeping', 'solar installation', 'phone repair', 'fashion design', 'poultry keeping', 'catering'])[1 + (h >> 10 & 255) % 6],
    'gps', jsonb_build_array(round(7.1 + (h & 65535) / 50000.0, 5), round(3.2 + (h >> 8 & 65535) / 50000.0, 5)),
    'device', substr(md5('device ' || n % 400), 1, 16), 'remark', CASE WHEN n % 9 = 0 THEN E'line\nbreak "ẹ̀kọ́"' ELSE substr(md5('r' || n), 1, 20) END),
  CASE WHEN n % 13 = 0 THEN NULL WHEN n % 17 = 0 THEN 'NaN' ELSE (h % 100000) / 7.0 END,
  timestamptz '2025-03-01 00:00:00Z' + n * interval '29.003 seconds'
FROM (SELECT n, hashint4(n + 1000000000) & 1073741823 AS h FROM generate_series(:first, :last) AS n) AS answered;

INSERT INTO audit_logs
SELECT md5('audit ' || n)::uuid, md5('user ' || h % 5000)::uuid, (ARRAY['respondent.create', 'respondent.update', 'submission.create', 'user.login'])[1 + (h & 3)],
  'respondents', md5('respondent ' || n)::uuid,
  jsonb_build_object('form', 'skills-' || n % 4, 'fields', h >> 4 & 15, 'source', 'enumerator-app'),
  '10.' || (h & 255) || '.' || (h >> 8 & 255) || '.' || (h >> 16 & 255), 'Mozilla/5.0 (Linux; Android 13; Mobile) AppleWebKit/537.36',
  md5('h' || n) || md5('i' || n), md5('h' || n - 1) || md5('i' || n - 1),
  timestamptz '2025-03-01 00:00:00Z' + n * interval '29.003 seconds'
FROM (SELECT n, hashint4(n + 2000000000) & 1073741823 AS h FROM generate_series(:first, :last) AS n) AS logged;
