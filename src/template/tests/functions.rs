//! Functions, theme by theme.

use super::{FAILS, Scene, Want, check};

/// Comparisons and lengths.
const COMPARISONS: &[(&str, Want)] = &[
    (r#"{{ not 1 }}{{ not "" }}{{ not nil }}"#, Some("falsetruetrue")),
    ("{{ not }}", FAILS),
    ("{{ eq 1 }}", FAILS),
    ("{{ eq 1 1.0 }}", FAILS),
    ("{{ eq 1 1 2 }}{{ eq 1 2 1 }}", Some("truetrue")),
    (r#"{{ eq "a" nil }}{{ eq nil nil }}{{ eq nil "a" }}"#, Some("falsetruefalse")),
    ("{{ eq .Extra.list .Extra.list }}", FAILS),
    ("{{ eq .Extra.map nil }}", Some("false")),
    ("{{ eq .Extra nil }}", Some("false")),
    ("{{ eq true true }}{{ ne true false }}", Some("truetrue")),
    ("{{ eq .Extra.n .Extra.f }}", Some("false")),
    ("{{ lt 1 2 }}{{ le 2 2 }}{{ gt 3 2 }}{{ ge 2 3 }}", Some("truetruetruefalse")),
    (r#"{{ lt "a" "b" }}{{ lt 1.5 2.5 }}{{ lt .Extra.n 5.0 }}"#, Some("truetruetrue")),
    ("{{ lt true false }}", FAILS),
    ("{{ lt nil 1 }}", FAILS),
    (r#"{{ lt 1 "a" }}"#, FAILS),
    ("{{ lt .Extra.list .Extra.list }}", FAILS),
    (r#"{{ len "é" }}{{ len .Extra.list }}{{ len .Extra.map }}{{ len nil }}"#, FAILS),
    ("{{ len 3 }}", FAILS),
    ("{{ len . }}", FAILS),
    ("{{ len .MatchContext.URL }}", FAILS),
    ("{{ call .Subject }}", FAILS),
    ("{{ call }}", FAILS),
    (r#"{{ slice "abc" 1 2 }}"#, FAILS),
];

/// Escapes for other languages.
const ESCAPES: &[(&str, Want)] = &[
    (r#"{{ html "a" 1 2 "b" }}"#, Some("a1 2b")),
    ("{{ html nil }}", Some("&lt;no value&gt;")),
    (r#"{{ html .Extra.nope "x" }}"#, Some("&lt;no value&gt;x")),
    (r#"{{ js "a=b" }}"#, Some(r"a\u003Db")),
    (r#"{{ urlquery "a b&c" "d" }}"#, Some("a+b%26cd")),
    (r#"{{ println "a" 1 2 "b" }}x"#, Some("a 1 2 b\nx")),
    ("{{ println }}x", Some("\nx")),
];

/// Dates and versions.
const DATES: &[(&str, Want)] = &[
    ("{{ now.Year | kindOf }}", Some("int")),
    ("{{ (now).Year | kindOf }}", Some("int")),
    ("{{ now.Nope }}", FAILS),
    (
        r#"{{ (toDate "2006-01-02" "2020-02-03").Year }}|{{ (toDate "2006-01-02" "2020-02-03").Unix }}|{{ (toDate "2006-01-02" "2020-02-03").Month }}|{{ (toDate "2006-01-02" "2020-02-03").Weekday }}|{{ (toDate "2006-01-02" "2020-02-03").YearDay }}|{{ (toDate "2006-01-02" "2020-02-03").Format "Jan 2" }}"#,
        Some("2020|1580688000|February|Monday|34|Feb 3"),
    ),
    (r#"{{ ((toDate "2006-01-02" "2020-02-03").AddDate 1 -3 30).Format "2006-01-02" }}"#, Some("2020-12-03")),
    (r#"{{ (toDate "2006-01-02" "2020-01-31").AddDate 0 1 0 }}"#, Some("2020-03-02 00:00:00 +0000 UTC")),
    (r#"{{ (toDate "2006-01-02" "2020-02-03").Nanosecond }}"#, Some("0")),
    (r#"{{ toDate "2006-01-02" "2020-02-03" }}"#, Some("2020-02-03 00:00:00 +0000 UTC")),
    (r#"{{ toDate "2006-01-02" "x" }}"#, Some("0001-01-01 00:00:00 +0000 UTC")),
    (r#"{{ toDate "2006-01-02" "x" | toJson }}"#, Some(r#""0001-01-01T00:00:00Z""#)),
    (
        r#"{{ (semver "1.2.3-a+b").Major }}|{{ (semver "1.2.3-a+b").Prerelease }}|{{ (semver "1.2.3-a+b").Metadata }}|{{ (semver "v1.2").Original }}|{{ semver "v1.2" }}"#,
        Some("1|a|b|v1.2|1.2.0"),
    ),
    (r#"{{ (semver "1.2.3").Compare (semver "1.2.4") }}"#, Some("-1")),
];

/// Dicts, which can be changed.
const DICTS: &[(&str, Want)] = &[
    (r#"{{ $d := dict "a" 1 }}{{ $_ := set $d "b" 2 }}{{ $d }}"#, Some("map[a:1 b:2]")),
    (
        r#"{{ $d := dict "a" (dict "b" 1) }}{{ $_ := set $d.a "c" 2 }}{{ $d | toJson }}"#,
        Some(r#"{"a":{"b":1,"c":2}}"#),
    ),
    (
        "{{ $d := dict }}{{ range .Extra.list }}{{ $_ := set $d . (upper .) }}{{ end }}{{ $d | toJson }}",
        Some(r#"{"a":"A","b":"B","c":"C"}"#),
    ),
    (
        r#"{{ $l := list }}{{ range .Extra.list }}{{ $l = append $l (dict "id" .) }}{{ end }}{{ $l | toJson }}"#,
        Some(r#"[{"id":"a"},{"id":"b"},{"id":"c"}]"#),
    ),
    (r#"{{ $d := dict "x" 1 }}{{ $e := $d }}{{ $_ := unset $e "x" }}{{ len $d }}"#, Some("0")),
    (r#"{{ $d := set .Extra "new" 1 }}{{ $d.new }}{{ len .Extra.map }}"#, Some("12")),
    (r#"{{ merge (dict "a" 1) .Extra.map | toJson }}"#, Some(r#"{"a":1,"k":"v","z":1}"#)),
    (r#"{{ dict "a" | toJson }}"#, Some(r#"{"a":""}"#)),
    ("{{ dict 1 2 3 4 | toJson }}", Some(r#"{"1":2,"3":4}"#)),
    (r#"{{ get .Extra.nope "a" }}"#, FAILS),
    (r#"{{ get (.Extra.nope) "a" }}"#, Some("")),
    ("{{ .Extra.nope | keys | len }}", Some("0")),
    (r#"{{ get nil "a" }}"#, Some("")),
    (r#"{{ hasKey .MatchContext.Header "x" }}"#, FAILS),
    (r#"{{ get (split "," "a") "_0" }}"#, FAILS),
];

/// What is there and what is not.
const DEFAULTS: &[(&str, Want)] = &[
    ("{{ upper .Extra.nope }}", FAILS),
    ("{{ upper nil }}", FAILS),
    ("{{ upper .Extra.n }}", FAILS),
    ("{{ .Extra.nope | upper }}", FAILS),
    (r#"{{ .Extra.nope | default "x" | upper }}"#, Some("X")),
    (r#"{{ .Extra.nope.x | default "x" }}"#, FAILS),
    (r#"{{ default "x" .Extra.nope.x }}"#, FAILS),
    (r#"{{ default "x" }}"#, Some("x")),
    ("{{ default }}", FAILS),
    ("{{ coalesce }}", Some("<no value>")),
    (r#"{{ ternary 1 2 "x" }}"#, FAILS),
    ("{{ ternary 1 2 .Extra.t }}", Some("1")),
    ("{{ ternary 1 2 (eq 1 1) }}", Some("1")),
    (r#"{{ true | ternary "a" "b" }}"#, Some("a")),
];

/// What functions ask of their arguments.
const KINDS: &[(&str, Want)] = &[
    (r#"{{ until "3" }}"#, FAILS),
    ("{{ until 3.0 }}{{ until 1e0 }}", Some("[0 1 2][0]")),
    ("{{ until 1.5 }}", FAILS),
    (r#"{{ round 3.14159 2 }}{{ round "2.5" 0 }}{{ round 2.5 0 0.6 }}{{ round 2.5 0 1 }}"#, Some("3.14322")),
    ("{{ 1 | round 2.5 0 }}", FAILS),
    ("{{ .Extra.f | round 2.5 0 }}", Some("2")),
    (r#"{{ fail "x" }}"#, FAILS),
    ("{{ hello }}", Some("Hello!")),
    ("{{ nosuch }}", FAILS),
    ("{{ .Extra.nosuch 1 }}", FAILS),
    (r#"{{ .Extra.map.k "a" }}"#, FAILS),
    (r#"{{ "a" | .Extra.role }}"#, FAILS),
    (r#"{{ "k" | index .Extra.map }}"#, Some("v")),
];

/// Fields behind parentheses.
const STEPS: &[(&str, Want)] = &[
    ("{{ (list 1 2 3) }}", Some("[1 2 3]")),
    (r#"{{ (list "a" "b").x }}"#, FAILS),
    (r#"{{ (dict "a" (dict "b" "c")).a.b }}"#, Some("c")),
    (r#"{{ (dict "a" 1).b }}"#, Some("<no value>")),
    (r#"{{ (dict "Get" 1).Get }}"#, Some("1")),
    (r#"{{ (split "," "a,b")._1 }}{{ (split "," "a,b")._9 }}"#, Some("b")),
    (r#"{{ print (split "," "a,b")._9 }}"#, Some("")),
    (r#"{{ (fromJson "{\"a\":[1,{\"b\":2}]}").a }}"#, Some("[1 map[b:2]]")),
    (r#"{{ (index (fromJson "{\"a\":[1,{\"b\":2}]}").a 1).b }}"#, Some("2")),
    (r#"{{ range fromJson "[1,2]" }}{{ . }},{{ end }}"#, Some("1,2,")),
];

/// Go's verbs and complaints.
const PRINTF: &[(&str, Want)] = &[
    (
        r#"{{ printf "%d" (int .Extra.n) }}{{ printf "%d" 3 }}{{ printf "%s" .Extra.nope }}"#,
        Some("33%!s(<nil>)"),
    ),
    ("{{ printf }}", FAILS),
    ("{{ printf 3 }}", FAILS),
    (r#"{{ printf "%s" }}"#, Some("%!s(MISSING)")),
    (r#"{{ printf "%!" 1 }}"#, Some("%!!(int=1)")),
    (r#"{{ printf "%" }}"#, Some("%!(NOVERB)")),
    (r#"{{ printf "%[1]s %[1]q %[2]v" "a" 2 }}"#, Some(r#"a "a" 2"#)),
    (r#"{{ printf "%[3]s" "a" }}"#, Some("%!s(BADINDEX)")),
    (r#"{{ printf "%[x]s" "a" }}"#, Some("%!s(BADINDEX)")),
    (r#"{{ printf "%*s|%-*s|" 5 "a" 5 "b" }}"#, Some("    a|b    |")),
    (r#"{{ printf "%.*f" 2 3.14159 }}"#, Some("3.14")),
    (r#"{{ printf "%*s" "x" "a" }}"#, Some("%!(BADWIDTH)a")),
    (
        r#"{{ printf "%6.2f|%-8.3f|%08.3f|%+.1e|%g" 3.14159 3.14159 -3.14159 12345.678 1e-7 }}"#,
        Some("  3.14|3.142   |-003.142|+1.2e+04|1e-07"),
    ),
    (r#"{{ printf "%t %v %5t" true false true }}"#, Some("true false  true")),
    (r#"{{ printf "%c %q %U %#U" 65 66 0x1F600 0x1F600 }}"#, Some("A 'B' U+1F600 U+1F600 '😀'")),
    (r#"{{ printf "%x %X %#x % x" "hi" "hi" "hi" "hi" }}"#, Some("6869 6869 0x6869 68 69")),
    (
        r#"{{ printf "%5d|%-5d|%05d|%+d|% d|%x|%#x|%o|%b|%.3d" 42 42 42 42 42 42 42 42 42 42 }}"#,
        Some("   42|42   |00042|+42| 42|2a|0x2a|52|101010|042"),
    ),
    (
        r#"{{ printf "%v %d %s" (list 1 "a") (list 1 "a") (list 1 "a") }}"#,
        Some("[1 a] [1 %!d(string=a)] [%!s(int=1) a]"),
    ),
    (
        r#"{{ printf "%v %s %q" .Extra.map .Extra.map .Extra.map }}"#,
        Some(r#"map[k:v z:1] map[k:v z:%!s(float64=1)] map["k":"v" "z":%!q(float64=1)]"#),
    ),
    (
        r#"{{ printf "%T %T %T %T %T" 1 "a" 1.5 nil .Extra }}"#,
        Some("int string float64 <nil> map[string]interface {}"),
    ),
    (r#"{{ printf "%s %d" "a" }}"#, Some("a %!d(MISSING)")),
    (r#"{{ printf "%s" "a" "b" }}"#, Some("a%!(EXTRA string=b)")),
    (r#"{{ printf "%5s|%-5s|%.2s|%5.1s|" "abc" "abc" "abc" "abc" }}"#, Some("  abc|abc  |ab|    a|")),
    (r#"{{ printf "%05s" "abc" }}"#, Some("00abc")),
    (r#"{{ printf "%q" "a\"b\n\x00é\u200b" }}"#, Some(r#""a\"b\n\x00é\u200b""#)),
];

/// Quotes and JSON.
const QUOTES: &[(&str, Want)] = &[
    (r#"{{ quote "a\"b\n\x00é\u200b" 1 nil true }}"#, Some(r#""a\"b\n\x00é\u200b" "1" "true""#)),
    (r#"{{ squote "a'b" 1 nil }}"#, Some("'a'b' '1'")),
    (r#"{{ cat 1 "" nil "x" }}"#, Some("1  x")),
    (r#"{{ "&<>\u2028" | toJson }}{{ "&<>" | toRawJson }}"#, Some(r#""\u0026\u003c\u003e\u2028""&<>""#)),
    (
        "{{ 1.0 | toJson }}{{ 1e21 | toJson }}{{ 1e20 | toJson }}{{ 0.000001 | toJson }}{{ 0.0000001 | toJson }}{{ -0.0 | toJson }}",
        Some("11e+211000000000000000000000.0000011e-7-0"),
    ),
    (
        "{{ list 1e6 999999.0 123456789.0 0.0001 0.00001 1e20 1e21 1.5e300 100000.0 }}",
        Some("[1e+06 999999 1.23456789e+08 0.0001 1e-05 1e+20 1e+21 1.5e+300 100000]"),
    ),
    (
        r#"{{ toPrettyJson (dict "a" (list) "b" (dict) "c" (list 1 (dict "x" "y"))) }}"#,
        Some("{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    1,\n    {\n      \"x\": \"y\"\n    }\n  ]\n}"),
    ),
    (r#"{{ fromJson "[" }}"#, Some("<no value>")),
    (r#"{{ mustFromJson "[" }}"#, FAILS),
    (r#"{{ fromJson "{\"b\":1,\"a\":2}" | toJson }}"#, Some(r#"{"a":2,"b":1}"#)),
];

/// Patterns.
const PATTERNS: &[(&str, Want)] = &[
    (r#"{{ semverCompare "^1.2" "1.3.0" }}"#, Some("true")),
    (r#"{{ mustRegexMatch "[" "a" }}"#, FAILS),
    (r#"{{ regexFind "(?=a)" "a" }}"#, FAILS),
    (r#"{{ regexReplaceAll "(\\w+) (\\w+)" "a b" "$2 $1" }}"#, Some("b a")),
    (r#"{{ regexReplaceAll "a" "banana" "$0$0" }}"#, Some("baanaanaa")),
    (r#"{{ regexSplit "a" "banana" 2 | toJson }}"#, Some(r#"["b","nana"]"#)),
    (r#"{{ regexFindAll "[an]" "banana" 2 | toJson }}"#, Some(r#"["a","n"]"#)),
    (r#"{{ regexFindAll "x" "banana" -1 | toJson }}"#, Some("null")),
    (r#"{{ regexQuoteMeta "a.b*c" }}"#, Some(r"a\.b\*c")),
    (r#"{{ regexMatch "^\\d+$" "١" }}"#, Some("false")),
];

/// Lists.
const LISTS: &[(&str, Want)] = &[
    (
        r#"{{ .Extra.list | join "," }}{{ join "," nil }}{{ join "," "a" }}{{ join "," (list 1 nil 2) }}"#,
        Some("a,b,ca1,2"),
    ),
    (r#"{{ without .Extra.list "a" "b" }}"#, Some("[c]")),
    ("{{ first nil }}", FAILS),
    (r#"{{ first "abc" }}"#, FAILS),
    ("{{ first (list) }}", Some("<no value>")),
    (
        "{{ rest (list) | toJson }}{{ initial (list) | toJson }}{{ concat (list) (list) | toJson }}{{ slice (list) | toJson }}",
        Some("nullnullnullnull"),
    ),
    ("{{ list nil | toJson }}", Some("[null]")),
    ("{{ has nil (list nil) }}", Some("true")),
    ("{{ has 1 nil }}", Some("false")),
];

/// Digging in dicts.
const DIGGING: &[(&str, Want)] = &[
    (r#"{{ dig "a" "b" "d" (dict "a" (dict "b" 1)) }}{{ dig "a" "d" (dict) }}"#, Some("1d")),
    (r#"{{ dig "a" "b" "d" (dict "a" 1) }}"#, FAILS),
    (r#"{{ dig "a" (dict) }}"#, FAILS),
    (r#"{{ dig "role" "d" .Extra }}"#, Some("admin")),
    (r#"{{ pluck "a" (dict "a" 1) (dict "a" 2) (dict) | toJson }}"#, Some("[1,2]")),
];

/// Numbers.
const ARITHMETIC: &[(&str, Want)] = &[
    (r#"{{ toDecimal "777" }}{{ toDecimal 8 }}"#, Some("5110")),
    (r#"{{ atoi "x" }}{{ atoi "+5" }}{{ atoi "-5" }}{{ atoi "5.0" }}"#, Some("05-50")),
    (
        r#"{{ int "0x10" }}{{ int "010" }}{{ int "1_0" }}{{ int "12.0" }}{{ int "12.5" }}{{ int nil }}{{ int true }}{{ int "" }}"#,
        Some("16810120010"),
    ),
    (
        r#"{{ float64 "1e3" }}{{ float64 "x" }}{{ float64 nil }}{{ float64 "0x1p2" }}{{ float64 "inf" }}"#,
        Some("1000004+Inf"),
    ),
    (
        "{{ addf 0.1 0.2 }}{{ subf 0.3 0.1 }}{{ mulf 0.1 3 }}{{ divf 1 3 }}{{ add1f 1.1 }}{{ divf 10 4 }}",
        Some("0.30.20.30.33333333333333332.12.5"),
    ),
    ("{{ divf 1 0 }}", FAILS),
    ("{{ div 1 0 }}", FAILS),
    ("{{ mod 1 0 }}", FAILS),
    ("{{ div -7 2 }}{{ mod -7 2 }}", Some("-3-1")),
    (r#"{{ max 1 2 3 }}{{ min 1 "2" 3 }}{{ maxf 1.5 2 }}{{ minf 1.5 2 }}"#, Some("3121.5")),
    ("{{ max }}", FAILS),
    (r#"{{ ceil 1.1 }}{{ floor -1.1 }}{{ ceil "1.5" }}"#, Some("2-22")),
    (
        "{{ seq 5 }}|{{ seq 5 2 }}|{{ seq 1 2 5 }}|{{ seq 5 -2 1 }}|{{ seq 0 }}|{{ seq }}|{{ seq -3 }}",
        Some("1 2 3 4 5|5 4 3 2|1 3 5|5 3 1|1 0||1 0 -1 -2 -3"),
    ),
];

/// Text.
const TEXT: &[(&str, Want)] = &[
    (r#"{{ repeat -1 "a" }}"#, FAILS),
    (r#"{{ indent -1 "a" }}"#, FAILS),
    (r#"{{ substr 0 3 "abcdef" }}{{ substr -1 3 "abcdef" }}{{ substr 2 -1 "abcdef" }}"#, Some("abcabccdef")),
    (r#"{{ substr 9 12 "abc" }}"#, FAILS),
    (r#"{{ substr 2 1 "abc" }}"#, FAILS),
    (
        r#"{{ trunc 3 "abcdef" }}{{ trunc -3 "abcdef" }}{{ trunc 0 "abc" }}{{ trunc -9 "abc" }}"#,
        Some("abcdefabc"),
    ),
    (
        r#"{{ abbrev 5 "hello world" }}{{ abbrev 3 "hello" }}{{ abbrevboth 5 10 "1234 5678 9123" }}{{ abbrevboth 0 8 "hello world foo" }}{{ abbrevboth 6 9 "hello world foo bar" }}"#,
        Some("he...hello...5678...hello......wor..."),
    ),
    (
        r#"{{ initials "First Try again" }}{{ untitle "First Try" }}{{ title "first try o'neil x-y" }}{{ swapcase "This Is A.Test" }}"#,
        Some("FTafirst tryFirst Try O'Neil X-YtHIS iS a.tEST"),
    ),
    (
        r#"{{ wrap 5 "hello big world" }}{{ wrapWith 5 "|" "Hello Worldwide" }}"#,
        Some("hello\nbig\nworldHello|World|wide"),
    ),
    (r#"{{ plural "a" "b" 1 }}{{ plural "a" "b" 0 }}"#, Some("ab")),
    (r#"{{ nospace "a b\tc" }}{{ nindent 2 "a\nb" }}"#, Some("abc\n  a\n  b")),
];

/// URLs, encodings and hashes.
const ENCODING: &[(&str, Want)] = &[
    (
        r#"{{ urlParse "http://u:p@h:80/p/a?q=1#f" | toJson }}"#,
        Some(
            r#"{"fragment":"f","host":"h:80","hostname":"h","opaque":"","path":"/p/a","query":"q=1","scheme":"http","userinfo":"u:p"}"#,
        ),
    ),
    (r#"{{ urlJoin (dict "scheme" "http" "host" "h" "path" "p" "query" "q") }}"#, Some("http://h/p?q")),
    (r#"{{ urlParse "http://a b" }}"#, FAILS),
    (
        r#"{{ b64enc "é" }}{{ b64dec "w6k=" }}{{ b32enc "abc" }}{{ b32dec "MFRGG===" }}"#,
        Some("w6k=éMFRGG===abc"),
    ),
    (
        r#"{{ sha1sum "a" }}{{ sha256sum "a" | trunc 8 }}{{ sha512sum "a" | trunc 8 }}{{ adler32sum "abc" }}"#,
        Some("86f7e437faa5a7fce15d1ddcb9eaeaea377667b8ca9781121f40fc9238600999"),
    ),
];

/// Times and durations.
const TIMES: &[(&str, Want)] = &[
    (
        r#"{{ date "2006" 0 }}{{ dateInZone "15:04 MST" 1719835200 "Europe/Berlin" }}{{ dateInZone "15:04 MST" 1700000000 "America/New_York" }}{{ htmlDate 0 }}"#,
        Some("197014:00 CEST17:13 EST1970-01-01"),
    ),
    (
        r#"{{ duration 95 }}{{ duration "95" }}{{ duration (int64 95) }}{{ durationRound "2h10m5s" }}{{ durationRound "800h" }}"#,
        Some("0s1m35s1m35s2h1mo"),
    ),
    (r#"{{ dateModify "-1.5h" (toDate "2006-01-02" "2020-02-03") }}"#, Some("2020-02-02 22:30:00 +0000 UTC")),
    (r#"{{ unixEpoch (toDate "2006-01-02" "2020-02-03") }}"#, Some("1580688000")),
    ("{{ unixEpoch 5 }}", FAILS),
];

/// Types, and what is left of Sprig.
const TYPES: &[(&str, Want)] = &[
    (
        r#"{{ typeOf (list) }}{{ typeOf nil }}{{ kindOf nil }}{{ typeIs "string" "a" }}{{ kindIs "map" .Extra }}{{ typeIsLike "url.URL" .MatchContext.URL }}"#,
        Some("[]interface {}<nil>invalidtruetruetrue"),
    ),
    (
        r#"{{ deepEqual .Extra.list (list "a" "b" "c") }}{{ deepEqual 1 1.0 }}{{ deepEqual (dict "a" 1) (dict "a" 1) }}"#,
        Some("truefalsetrue"),
    ),
    (
        "{{ empty .Extra.empty }}{{ empty 0 }}{{ empty (list) }}{{ empty .MatchContext.URL }}{{ empty nil }}",
        Some("truetruetruefalsetrue"),
    ),
    (r#"{{ all 1 "" }}{{ any 0 "x" }}{{ all }}{{ any }}"#, Some("falsetruetruefalse")),
    ("{{ tuple 1 2 }}", Some("[1 2]")),
    ("{{ chunk 0 .Extra.list }}", FAILS),
    ("{{ chunk 2 (list) | toJson }}", Some("[]")),
    (
        r#"{{ base "" }}{{ dir "" }}{{ ext "a" }}{{ clean "" }}{{ isAbs "/a" }}{{ osBase "/a/b" }}"#,
        Some("...trueb"),
    ),
    (
        r#"{{ snakecase "HTTPServer" }}{{ kebabcase "some Words_here" }}{{ camelcase "some-words_here now" }}"#,
        Some("http_serversome-words-hereSomeWordsHereNow"),
    ),
];

#[test]
fn comparisons_hold_as_in_go() {
    check(&Scene::new(), COMPARISONS);
}

#[test]
fn escapes_are_as_in_go() {
    check(&Scene::new(), ESCAPES);
}

#[test]
fn dates_and_versions_answer_as_in_go() {
    check(&Scene::new(), DATES);
}

#[test]
fn dicts_change_as_in_go() {
    check(&Scene::new(), DICTS);
}

#[test]
fn defaults_step_in_as_in_sprig() {
    check(&Scene::new(), DEFAULTS);
}

#[test]
fn arguments_are_asked_for_as_in_go() {
    check(&Scene::new(), KINDS);
}

#[test]
fn fields_follow_parentheses_as_in_go() {
    check(&Scene::new(), STEPS);
}

#[test]
fn printf_writes_as_in_go() {
    check(&Scene::new(), PRINTF);
}

#[test]
fn quotes_and_json_are_as_in_sprig() {
    check(&Scene::new(), QUOTES);
}

#[test]
fn patterns_match_as_in_go() {
    check(&Scene::new(), PATTERNS);
}

#[test]
fn lists_are_handled_as_in_sprig() {
    check(&Scene::new(), LISTS);
}

#[test]
fn digging_finds_as_in_sprig() {
    check(&Scene::new(), DIGGING);
}

#[test]
fn numbers_add_up_as_in_sprig() {
    check(&Scene::new(), ARITHMETIC);
}

#[test]
fn text_is_handled_as_in_sprig() {
    check(&Scene::new(), TEXT);
}

#[test]
fn encodings_are_as_in_sprig() {
    check(&Scene::new(), ENCODING);
}

#[test]
fn times_are_written_as_in_sprig() {
    check(&Scene::new(), TIMES);
}

#[test]
fn types_are_named_as_in_sprig() {
    check(&Scene::new(), TYPES);
}
