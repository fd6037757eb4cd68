//! The matcher as a whole: tables of patterns and URLs, and properties.

mod equivalence;
mod naive;

use super::*;
use crate::diagnostic::Severity;

fn compile(strategy: Strategy, source: &str) -> Pattern {
    Pattern::compile(strategy, source).unwrap_or_else(|f| panic!("{source}: {}", f.message)).0
}

fn regexp(source: &str) -> Pattern {
    compile(Strategy::Regexp, source)
}

/// The capture groups of a match; `None` for no match.
fn groups(source: &str, text: &str) -> Option<Vec<String>> {
    let captures = regexp(source).captures(text).unwrap()?;
    Some((0..captures.len()).map(|i| captures.get(i, text).unwrap().to_owned()).collect())
}

#[test]
fn captures_come_as_oathkeeper_numbers_them() {
    for (source, text, want) in [
        ("http://a/<.*>", "http://a/b/c", vec!["b/c"]),
        ("http://a/<(a)(b)?>/<c>", "http://a/a/c", vec!["a", "a", "", "c"]),
        ("http://a/<(?<name>a)>/<c>", "http://a/a/c", vec!["a", "c", "a"]),
        ("http://a/<(?P<name>a)>/<c>", "http://a/a/c", vec!["a", "c", "a"]),
        ("http://a/<(?'name'a)(b)>", "http://a/ab", vec!["ab", "b", "a"]),
        ("http://a/<(?<z>a)(?<b>b)(c)>", "http://a/abc", vec!["abc", "c", "a", "b"]),
        ("http://a/<(?:x)>", "http://a/x", vec!["x"]),
        ("<https?>://<[^/]+>/api/<.*>", "https://h:1/api/q/r", vec!["https", "h:1", "q/r"]),
        ("http://a/<.*>/<.*>", "http://a/x/y/z", vec!["x/y", "z"]),
        ("http://a/<.*?>/<.*>", "http://a/x/y/z", vec!["x", "y/z"]),
        ("http://a/<([a-z])+>", "http://a/xyz", vec!["xyz", "z"]),
        ("http://a/<(/?[a-z]+)*>", "http://a/xy/z", vec!["xy/z", "/z"]),
        ("http://a/<(a|ab)(c|bcd)?>", "http://a/abcd", vec!["abcd", "a", "bcd"]),
        ("http://a/<((?!bad)[a-z]+/?)+>", "http://a/good/fine", vec!["good/fine", "fine"]),
        ("http://a/<(?!v[0-9]+/)([a-z]+)/.*>", "http://a/abc/x", vec!["abc/x", "abc"]),
        ("http://a/<(?n)(x)(?<y>y)>", "http://a/xy", vec!["xy", "y"]),
        ("http://a/<(?<2>x)(y)>", "http://a/xy", vec!["xy", "y"]),
        ("http://a/<(?<x>a)|(?<x>b)>", "http://a/b", vec!["b", "b"]),
        ("http://a/<(?=(.*x))a>x", "http://a/ax", vec!["a", "ax"]),
        ("http://a/b", "http://a/b", vec![]),
    ] {
        assert_eq!(
            groups(source, text),
            Some(want.into_iter().map(str::to_owned).collect()),
            "{source} {text}"
        );
    }
}

#[test]
fn named_groups_can_be_found_by_name() {
    let pattern = regexp("https://a/<(?<org>[a-z]+)>/<([0-9]+)(?<part>.*)>");
    assert_eq!(pattern.group_names().collect::<Vec<_>>(), [("org", 3), ("part", 4)]);
    assert_eq!(
        groups("https://a/<(?<org>[a-z]+)>/<([0-9]+)(?<part>.*)>", "https://a/ab/7x").unwrap()[3..],
        ["ab", "x"]
    );
}

#[test]
fn fragments_are_dotnet_regular_expressions() {
    for (source, yes, no) in [
        ("http://a/<(?!api).*>", vec!["x", "x/api", ""], vec!["api", "api/x", "apix"]),
        ("http://a/<(?!admin$|admin/).*>", vec!["administrator"], vec!["admin", "admin/x"]),
        ("http://a/<(?!api/)(?!static/).*>", vec!["web/x"], vec!["api/x", "static/x"]),
        ("http://a/<(?=.*x).*>", vec!["axb"], vec!["ab"]),
        ("http://a/<(?i)abc>", vec!["ABC", "abc"], vec!["abd"]),
        ("http://a/<(?i)a>/B", vec!["A/B"], vec!["A/b"]),
        ("http://a/<(?i:ab)c>", vec!["ABc"], vec!["ABC"]),
        ("http://a/<(?i)[a-f]+>", vec!["aF"], vec!["g"]),
        ("http://a/<(?i)s>", vec!["s", "S"], vec!["ſ"]),
        ("http://a/<(?-i)s>", vec!["s"], vec!["S"]),
        ("http://a/<a(?i)b|c>", vec!["aB", "C"], vec!["AB"]),
        ("http://a/<(?s).*>", vec!["a\nb"], vec![]),
        ("http://a/<.*>", vec!["", "b", "b\n"], vec!["a\nb"]),
        ("http://a/b", vec!["b", "b\n"], vec!["b\n\n", "bc", "B"]),
        ("http://a/<a(?#note)b>", vec!["ab"], vec!["a(?#note)b"]),
        ("http://a/<(?x) a b # c\n d>", vec!["abd"], vec!["a b"]),
        ("http://a/<\\u00e4+>", vec!["ää"], vec!["a"]),
        ("http://a/<\\x61\\x{62}\\143>", vec!["abc"], vec![]),
        ("http://a/<[[:alpha:]]+>", vec!["abC"], vec!["ab1", "é"]),
        ("http://a/<[[:^digit:]_]>", vec!["a", "_"], vec!["1"]),
        ("http://a/<[a-z-[aeiou]]+>", vec!["xyz"], vec!["xay"]),
        ("http://a/<[]a]+>", vec!["]a"], vec!["b"]),
        ("http://a/<[^]a]>", vec!["b"], vec!["]", "a"]),
        ("http://a/<[a-]+>", vec!["a-"], vec!["b"]),
        ("http://a/<[\\w.-]+>", vec!["a.b-c_1é"], vec!["a/b"]),
        ("http://a/<\\d+>", vec!["12", "٣"], vec!["a"]),
        ("http://a/<\\w>", vec!["é", "_", "٣"], vec!["-"]),
        ("http://a/<\\D\\W\\S>", vec!["a-b"], vec!["1-b"]),
        ("http://a/<\\p{Lu}\\P{Lu}>", vec!["Ab"], vec!["AB", "ab"]),
        ("http://a/<\\p{Greek}>", vec!["λ"], vec!["l"]),
        ("http://a/<a{2}>", vec!["aa"], vec!["a", "aaa"]),
        ("http://a/<a{2,}>", vec!["aa", "aaaa"], vec!["a"]),
        ("http://a/<a{1,2}>", vec!["a", "aa"], vec!["", "aaa"]),
        ("http://a/<(ab){2,3}c>", vec!["ababc", "abababc"], vec!["abc", "ababababc"]),
        ("http://a/<a{,2}>", vec!["a{,2}"], vec!["aa"]),
        ("http://a/<a{x}>", vec!["a{x}"], vec!["a"]),
        ("http://a/<x|y>", vec!["x", "y"], vec!["xy"]),
        ("http://a/<|y>", vec!["", "y"], vec!["x"]),
        ("http://a/<>", vec![""], vec!["x"]),
        ("http://a/<\\.\\*\\/\\-\\_>", vec![".*/-_"], vec!["ab"]),
        ("http://a/<(?<c>[ab])x\\k<c>>", vec!["axa", "bxb"], vec!["axb"]),
        ("http://a/<(?<c>[ab])x\\k'c'>", vec!["axa"], vec!["axb"]),
        ("http://a/<(?i)(?<c>[ab])x\\k<c>>", vec!["axA"], vec!["axB"]),
        ("http://a/<(a)?b(?(1)c|d)>", vec!["abd", "bd"], vec!["abc"]),
        ("http://a/<(?<q>a)?b(?(q)c|d)>", vec!["abc", "bd"], vec!["abd", "bc"]),
        ("http://a/<(?(?=a)ab|cd)>", vec!["ab", "cd"], vec!["ad", "cb"]),
        ("http://a/<(?(a)ab|cd)>", vec!["ab", "cd"], vec!["ad", "cb"]),
        ("http://a/<a++b>", vec!["aab"], vec!["b"]),
        ("http://a/<a++ab>", vec![], vec!["aab"]),
        ("http://a/<\\bab\\b>", vec!["ab"], vec!["a"]),
        ("http://a/<^ab>", vec![], vec!["ab"]),
        ("http://a/b<(/.*)?$>", vec!["b", "b/", "b/c"], vec!["bc"]),
        ("http://a/<(?m)a$>", vec!["a"], vec!["ab"]),
        ("http://a/<ab\\z>", vec!["ab"], vec!["ab\n"]),
        ("http://a/<ab\\Z>", vec!["ab", "ab\n"], vec![]),
        ("http://a/<(a*)*>", vec!["", "aaa"], vec!["b"]),
        ("http://a/<(/[^/]+)*>", vec!["", "/x", "/x/y"], vec!["/", "/x//y"]),
        ("http://a/<([0-9a-f]{4}-){3}[0-9a-f]{4}>", vec!["0123-4567-89ab-cdef"], vec!["0123-4567-cdef"]),
    ] {
        let pattern = regexp(source);
        for (path, want) in yes.iter().map(|p| (p, true)).chain(no.iter().map(|p| (p, false))) {
            assert_eq!(pattern.is_match(&format!("http://a/{path}")), Ok(want), "{source} {path:?}");
        }
    }
}

#[test]
fn broken_patterns_say_where() {
    for (source, message, at) in [
        ("http://a/<abc", "`<` opens a fragment that is never closed", "<abc"),
        ("http://a/<(?>a+)b>", "`>` closes a fragment that was never opened", ">"),
        ("http://a/<(?>", "`(` is never closed", "(?"),
        ("http://a/<(a>", "`(` is never closed", "(a"),
        ("http://a/<a)>", "`)` closes a group that was never opened", ")"),
        ("http://a/<[a-z>", "`[` is never closed", "[a-z"),
        ("http://a/<[z-a]>", "the range is in reverse order", "z-a"),
        ("http://a/<[a-\\d]>", "a class cannot end a range", "\\d"),
        ("http://a/<[a-z-[b]c]>", "a subtraction has to be the last part of its class", "-[b]c"),
        ("http://a/<*>", "`*` has nothing before it to repeat", "*"),
        ("http://a/<a**>", "a quantifier follows a quantifier", "**"),
        ("http://a/<a{2}{3}>", "a quantifier follows a quantifier", "{2}{"),
        ("http://a/<a{3,2}>", "the repeat counts are in reverse order", "{3,2}"),
        ("http://a/<a{9999}>", "the repeat count is too large", "{9999}"),
        ("http://a/<(a|b)>/<\\1>", "there is no group 1 in this fragment", "\\1"),
        ("http://a/<(a|b)>/<\\k<x>>", "there is no group `x` in this fragment", "\\k<x>"),
        ("http://a/<\\y>", "there is no escape `\\y`", "\\y"),
        ("http://a/<\\xZZ>", "the escape names no character", "\\xZZ"),
        ("http://a/<\\p{Nope}>", "there is no Unicode category or script `Nope`", "\\p{Nope}"),
        ("http://a/<(?Q)a>", "`(?` starts no known kind of group", "(?Q"),
        ("http://a/<(?<a-b>c)>", "balancing groups are not supported", "(?<a-b>"),
        ("http://a/<(?<1a!>c)>", "`1a!` is no group name", "(?<1a!>"),
        ("http://a/<(a)(?(7)b|c)>", "there is no group 7 in this fragment", "(?(7)"),
        ("http://a/<(?#x>", "the comment is never closed", "(?#x"),
        ("http://a/<a\\>", "the backslash has nothing after it", "\\"),
        (
            "http://a/<((a{1000}){1000}){1000}>",
            "the pattern is too large",
            "http://a/<((a{1000}){1000}){1000}>",
        ),
    ] {
        let finding = Pattern::compile(Strategy::Regexp, source).unwrap_err();
        let (start, end) = finding.span.unwrap();
        assert_eq!((finding.message.as_str(), &source[start..end]), (message, at), "{source}");
        assert_eq!((finding.code, finding.severity), ("bad-pattern", Severity::Error), "{source}");
    }
}

#[test]
fn globs_are_gobwas_globs() {
    for (source, yes, no) in [
        ("http://a/<*>", vec!["/foo", "/"], vec!["/foo/bar", "/foo.bar"]),
        ("http://a/<**>", vec!["/foo", "/", "/a/b/c.d", "/a\nb"], vec![""]),
        ("http://a/a/<*>/c", vec!["/a/b/c"], vec!["/a/b/b/c", "/a/c"]),
        ("http://a/a/<**>/c", vec!["/a/b/b/c", "/a/c"], vec!["/a/b"]),
        ("http://a/<x*>/a/<**>/c", vec!["/x/a/b/c"], vec!["/x/a/c"]),
        ("http://a/pre<*>", vec!["/prefix", "/pre"], vec!["/pre/x"]),
        ("http://a/<?>", vec!["/a", "/é"], vec!["/ab", "/", "/."]),
        ("http://a/<é?>", vec!["/éx"], vec!["/é"]),
        ("http://a/<{foo*,bar*}>", vec!["/foo", "/foobar"], vec!["/baz", "/foo/x"]),
        ("http://a/<{a,{b,c}}>", vec!["/b", "/c", "/a"], vec!["/d"]),
        ("http://a/x<{,/y}>", vec!["/x", "/x/y"], vec!["/x/"]),
        ("http://a/<[abc]>", vec!["/a"], vec!["/d", "/ab"]),
        ("http://a/<m[a,o,u]n>", vec!["/mon", "/m,n"], vec!["/min"]),
        ("http://a/<[a-c]>", vec!["/b"], vec!["/d"]),
        ("http://a/<[a-c0-9_]>", vec!["/b", "/7", "/_"], vec!["/d", "/-"]),
        ("http://a/<[ab-]>", vec!["/-"], vec!["/c"]),
        ("http://a/<[!abc]>", vec!["/d", "//"], vec!["/a"]),
        ("http://a/<[!a-c]>", vec!["/d"], vec!["/a"]),
        ("http://a/<[^a]>", vec!["/^", "/a"], vec!["/b"]),
        ("http://a/<\\*>", vec!["/*"], vec!["/a"]),
        ("http://a/a*b?c[d]{e}", vec!["/a*b?c[d]{e}"], vec!["/axb"]),
        ("http://a/e<>", vec!["/e"], vec!["/ex"]),
        ("http://a/<.*>", vec!["/.x", "/."], vec!["/x"]),
        ("http://a/<a|b>", vec!["/a|b"], vec!["/a"]),
        ("http://a/<a]b}>", vec!["/a]b}"], vec!["/a"]),
        ("http://a/<*>/<**>", vec!["/a/b/c", "/a/"], vec!["/a"]),
        ("http://a/b", vec!["/b"], vec!["/b\n"]),
    ] {
        let pattern = compile(Strategy::Glob, source);
        for (path, want) in yes.iter().map(|p| (p, true)).chain(no.iter().map(|p| (p, false))) {
            let text = format!("http://a{path}");
            assert_eq!(pattern.is_match(&text), Ok(want), "{source} {path:?}");
            let captures = pattern.captures(&text).unwrap();
            assert_eq!(captures, want.then(Captures::default), "globs have no captures: {source}");
        }
    }
    for (source, message) in [
        ("http://a/<[a-z>", "`[` is never closed"),
        ("http://a/<[a-]>", "the range has no end"),
        ("http://a/<[]>", "the class has no characters"),
        ("http://a/<[c-a]>", "the range is in reverse order"),
        ("http://a/<{a,b>", "`{` is never closed"),
        ("http://a/<a\\>", "the backslash has nothing after it"),
        ("http://a/<abc", "`<` opens a fragment that is never closed"),
    ] {
        let finding = Pattern::compile(Strategy::Glob, source).unwrap_err();
        assert_eq!((finding.code, finding.message.as_str()), ("bad-pattern", message), "{source}");
    }
}

#[test]
fn wildcards_of_a_glob_can_be_asked_for() {
    let text = "https://a.b/x/y/z";
    let groups = compile(Strategy::Glob, "<{http,https}>://<*>.b/<*>/<**>").groups(text).unwrap().unwrap();
    let shown: Vec<_> = (0..groups.len()).map(|i| groups.get(i, text).unwrap()).collect();
    assert_eq!(shown, ["https", "a", "x", "y/z"]);
}

#[test]
fn literal_parts_take_the_form_that_requests_have() {
    for (source, text, want) in [
        ("HTTP://Example.COM/Path", "http://example.com/Path", true),
        ("HTTP://Example.COM/Path", "http://example.com/path", false),
        ("ws://a.test/x", "http://a.test/x", true),
        ("WSS://a.test/x", "https://a.test/x", true),
        ("<ws|wss>://a.test/x", "https://a.test/x", true),
        ("<wss?>://a.test/x", "http://a.test/x", true),
        ("<wss>://a.test/x", "http://a.test/x", false),
        ("http://a.test:80/x", "http://a.test/x", true),
        ("https://a.test:443<(/.*)?>", "https://a.test/x", true),
        ("https://a.test:443", "https://a.test", true),
        ("https://a.test:/x", "https://a.test/x", true),
        ("https://a.test:443<[0-9]?>/x", "https://a.test:443/x", true),
        ("https://a.test:80/x", "https://a.test/x", false),
        ("https://<[a-z]+>.Test:443/x", "https://a.test/x", true),
        ("http://[::1]:80/x", "http://[::1]/x", true),
        ("http://a/café", "http://a/café", true),
        ("http://a/caf%C3%A9", "http://a/café", true),
        ("http://a/caf%e9", "http://a/caf%E9", true),
        ("http://a/a%20b", "http://a/a b", true),
        ("http://a//b/./c", "http://a/b/c", true),
        ("http://a/b/../c", "http://a/c", true),
        ("http://a/../c", "http://a/c", true),
        ("http://a/b/%2e%2E/c", "http://a/c", true),
        ("http://a/b/.", "http://a/b/", true),
        ("http://a/b/", "http://a/b/", true),
        ("http://a/b/", "http://a/b", false),
        ("http://a/.<b>", "http://a/.b", true),
        ("http://a/<b>//c", "http://a/b/c", true),
        ("http://a/b%2Fc", "http://a/b/c", true),
        ("http://a/b%2fc", "http://a/b%2Fc", true),
        ("http://a/100%", "http://a/100%", true),
        ("http://a/100%25", "http://a/100%", true),
        ("http://<.*>.Example.com/x", "http://a.Example.com/x", true),
        ("http://<[^/]*>.Example.com/x", "http://a.example.com/x", true),
        ("http://a<(/.*)?>/X", "http://a/b/X", true),
        ("<.*>/X", "http://a/X", true),
        ("<https?:>//A/X", "http://a/X", true),
        ("<.*>://A/X", "http://a/X", true),
    ] {
        assert_eq!(regexp(source).is_match(text), Ok(want), "{source} {text}");
    }
    let glob = compile(Strategy::Glob, "WSS://<*>.Test:443/caf%C3%A9/<**>");
    assert_eq!(glob.is_match("https://a.test/café/x"), Ok(true));
}

#[test]
fn patterns_know_whether_they_name_a_default_port() {
    for (source, want) in [
        ("http://a:80/x", false),
        ("http://a:443/x", false),
        ("<https?>://a:443/x", true),
        ("<https?>://a:80<(/.*)?>", true),
        ("<https?>://a:8080/x", false),
        ("<https?>://a/x:80/y", false),
        ("https://a<(:443)?>/x", true),
        ("https://a<:443>/x", true),
        ("https://a:<443|8443>/x", true),
        ("http://a:<[0-9]+>/x", false),
        ("http://a<(:[0-9]+)?>/x", false),
    ] {
        assert_eq!(regexp(source).names_default_port(), want, "{source}");
    }
}

#[test]
fn odd_patterns_are_warned_of() {
    for (strategy, source, want) in [
        (Strategy::Regexp, "https://a/<.*>", vec![]),
        (Strategy::Regexp, "https://<[a-z]+>.Example.com/X", vec![]),
        (Strategy::Regexp, "https://<.*>.Example.com/X", vec![("uppercase-host", ".Example.com/X")]),
        (Strategy::Regexp, "<HTTPS?>://a/x", vec![("uppercase-host", "<HTTPS?>")]),
        (Strategy::Regexp, "https://<A[a-z]>.test/x", vec![("uppercase-host", "<A[a-z]>")]),
        (Strategy::Regexp, "https://<A|a>.test/x", vec![]),
        (Strategy::Regexp, "https://<(?i)A>.test/x", vec![]),
        (Strategy::Regexp, "https://a/<x>/../y", vec![("never-matches", "/../y")]),
        (Strategy::Regexp, "https://a/x?<.*>", vec![("never-matches", "https://a/x?")]),
        (Strategy::Regexp, "/x", vec![("never-matches", "/x")]),
        (Strategy::Regexp, "https://a/x/*", vec![("literal-wildcard", "*")]),
        (Strategy::Glob, "https://a/**", vec![("literal-wildcard", "*")]),
        (Strategy::Regexp, "https://a.test", vec![("no-path", "https://a.test")]),
        (Strategy::Regexp, "https://a.test<(:[0-9]+)?>", vec![("no-path", "https://a.test")]),
        (Strategy::Regexp, "https://a.test<(/.*)?>", vec![]),
        (Strategy::Regexp, "https://a/<^x>", vec![("never-matches", "<^x>")]),
        (Strategy::Regexp, "https://a/<x$>/y", vec![("never-matches", "<x$>")]),
        (Strategy::Regexp, "https://a/<x$>", vec![]),
        (Strategy::Regexp, "https://a/<(a)\\1>", vec![("never-matches", "<(a)\\1>")]),
        (Strategy::Regexp, "https://a/<(a+)+>", vec![("slow-pattern", "<(a+)+>")]),
        (Strategy::Regexp, "https://a/<(.*)*>", vec![("slow-pattern", "<(.*)*>")]),
        (Strategy::Regexp, "https://a/<([a-z]+/?)+>", vec![("slow-pattern", "<([a-z]+/?)+>")]),
        (Strategy::Regexp, "https://a/<(a|b+|ab)*c>", vec![("slow-pattern", "<(a|b+|ab)*c>")]),
        (Strategy::Regexp, "https://a/<(/[^/]+)*>", vec![]),
        (Strategy::Regexp, "https://a/<([a-z]+-)+>", vec![]),
        (Strategy::Glob, "https://a/<[^a]>", vec![("odd-glob", "[^")]),
    ] {
        let (_, warnings) = Pattern::compile(strategy, source).unwrap();
        let shown: Vec<_> =
            warnings.iter().map(|w| (w.code, &source[w.span.unwrap().0..w.span.unwrap().1])).collect();
        let starts = shown.len() == want.len()
            && shown.iter().zip(&want).all(|(got, want)| got.0 == want.0 && got.1.starts_with(want.1));
        assert!(starts, "{source}: {shown:?}");
    }
}

#[test]
fn patterns_made_to_be_slow_take_bounded_steps() {
    let long = "a".repeat(8000);
    for (source, tail, want) in [
        ("http://a/<(a+)+>b", "", Ok(false)),
        ("http://a/<(a|aa)+>b", "", Ok(false)),
        ("http://a/<(a|a)*>b", "", Ok(false)),
        ("http://a/<(.*)*>b", "", Ok(false)),
        ("http://a/<(.*a){12}>b", "", Ok(false)),
        ("http://a/<.*.*.*.*>b", "", Ok(false)),
        ("http://a/<.*?.*?.*?.*?>b", "", Ok(false)),
        ("http://a/<(a?){40}a{40}>b", "", Ok(false)),
        ("http://a/<((?!bad)[a-z]+/?)+>!", "", Ok(false)),
        ("http://a/<(?=(a+)+!).*>", "", Ok(false)),
        ("http://a/<(a+)+>b", "b", Ok(true)),
        ("http://a/<(?<x>a|b|aa)+c\\k<x>>d", "cd", Err(TooCostly)),
    ] {
        let text = format!("http://a/{long}{tail}");
        assert_eq!(regexp(source).is_match(&text), want, "{source}");
    }
}

#[test]
fn most_patterns_need_no_engine_of_a_library() {
    for (source, want) in [
        ("https://app.test/api/<[0-9]+>", true),
        ("<http|https>://app.test/health<(/.*)?$>", true),
        ("<.*>://<.*>/api/<.*>", true),
        ("https://<(app|web)[0-9]+>.test/<(?!admin)api>/x/<.*>", true),
        ("https://a/<(/[^/]+)*>", true),
        ("https://a/<((?!bad)[a-z]+/?)+>", true),
        ("https://a/<(?<c>[ab])x\\k<c>>", false),
        ("https://a/<\\bx>", false),
        ("https://a/<(a*)*>", false),
    ] {
        let node = pattern::read(Strategy::Regexp, source).unwrap().whole();
        assert_eq!(program::compile(&node, 9, None).is_some(), want, "{source}");
    }
}
