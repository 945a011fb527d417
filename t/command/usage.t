# --help, the man page and the completion list the same subcommands and options; what is not
# understood is said, with status 2.
use strict;
use warnings;
use PST;
use PST::Command;
use Test::More;

plan skip_all => 'does not depend on the MPM' if mpm() ne 'event';

my $docs = PST::stage()->{top} . '/t/shipped';
my $help = poolstat('--help');
is($help->{status}, 0, '--help');
my ($commands, $options) = $help->{out} =~ /Subcommands:\n(.*?)\n\nOptions:\n(.*?)\n\n/s or BAIL_OUT($help->{out});
my @commands = $commands =~ /^  ([a-z]\S*)/mg;
my %letter = reverse map { /^  (?:(-\w), |    )(--[a-z-]+)/ ? ($1 // "none of $2", $2) : () } split /\n/, $options;
my @options = sort keys %letter;
cmp_ok(scalar @commands, '>=', 7, "subcommands: @commands");
cmp_ok(scalar @options, '>=', 12, "options: @options");

# per subcommand, as it says itself
my %takes = ('' => []);
for my $c (@commands) {
    my $r = poolstat($c, '--help');
    is($r->{status}, 0, "$c --help");
    $takes{$c} = [ grep { $_ ne '--version' } sort $r->{out} =~ /^  (?:-\w, |    )(--[a-z-]+)/mg ];
}
my %all = map { $_ => 1 } map @$_, values %takes;
delete @all{qw(--help)};

subtest 'man page' => sub {
    my $man = PST::Stage::read_file("$docs/poolstat.1");
    my ($section) = $man =~ /^\.SH SUBCOMMANDS\n(.*?)^\.SH /ms;
    is(join(' ', sort $section =~ /^\.TP\n\.BR? "?([a-z]+)/mg), join(' ', sort @commands), 'the subcommands');
    ($section) = $man =~ /^\.SH OPTIONS\n(.*?)^\.SH /ms;
    $section =~ s/\\-/-/g;
    my @tags = $section =~ /^\.TP\n(.*)$/mg;
    my %has = map { /(--[a-z-]+)/ ? ($1 => $_) : () } @tags;
    is(join(' ', sort keys %has), "@options", 'the options');
    for my $o (@options) {
        my ($is) = ($has{$o} // '') =~ /(?<!-)(-\w)\b/;
        is($is // "none of $o", $letter{$o}, "$o and its letter");
    }
    ($section) = $man =~ /^\.SH EXIT STATUS\n(.*?)^\.SH /ms;
    is(join(' ', $section =~ /^\.B (\d)$/mg), '0 1 2 3 4 5 6 7', 'the statuses');
    is(join(' ', $help->{out} =~ /Exit status:(.*)/s ? $1 =~ /\b(\d) [a-z]/g : ()), '0 1 2 3 4 5 6 7', 'that --help has, too');
};

subtest 'completion' => sub {
    my $complete = sub {
        my @words = @_;
        my $list = join ' ', map "'$_'", 'poolstat', @words;
        my $text = `bash -c '. $docs/poolstat.bash; COMP_WORDS=(\$0 "\$@"); COMP_CWORD=\$#; _poolstat; echo "\${COMPREPLY[*]}"' $list`;
        return join ' ', sort split ' ', $text;
    };
    is($complete->(''), join(' ', sort @commands), 'the subcommands');
    for my $c (@commands) {
        is($complete->($c, '-'), "@{ $takes{$c} }", "options of $c");
    }
    my %none = map { $_ => 1 } split ' ', $complete->('--');
    is(join(' ', grep !$all{$_} && !/^--(?:describe|version|help)$/, sort keys %none), '', 'those without a subcommand are options');
    my %orders = map { $_ => 1 } poolstat('--sort', 'x')->{err} =~ /be (.*)/ ? split /, | or /, $1 : ();
    is($complete->('--sort', ''), join(' ', sort keys %orders), 'orders') if %orders;
};

subtest 'refused' => sub {
    for my $wrong ([ 'nonsense' ], [ '--nonsense' ], [ 'json', '--limit', '3' ], [ '--pid' ], [ '--pid', 'x' ], [ '--pid', '0' ],
        [ '--pid=99999999999' ], [ 'watch', '--interval', '0' ], [ 'watch', '-n', '-1' ], [ '--sort', 'size' ], [ '--gone=1' ],
        [ 'json', 'json' ], [ '--describe=html' ], [ '--file', '' ], [ 'top', '--kind', '' ], [ '-' ]) {
        my $r = poolstat(@$wrong);
        is($r->{status}, 2, "poolstat @$wrong");
        like($r->{err}, qr/^poolstat: .+/, 'with a sentence');
        is($r->{out}, '', 'and nothing on stdout');
    }
    my $r = poolstat("\e]0;evil\a");
    unlike($r->{err}, qr/[\0-\x09\x0b-\x1f\x7f]/, 'what was typed is not sent back to the terminal');
};

subtest 'what needs no server' => sub {
    like(poolstat('--version')->{out}, qr/^poolstat \d+\.\d+\.\d+, reads boards of version \d+, APR \d/, '--version');
    my $describe = poolstat('--describe')->{out};
    like($describe, qr/^  $_ \(/m, "--describe: $_") for qw(reserved_bytes held_bytes class_reserved_bytes);
    like(poolstat('--describe=markdown')->{out}, qr/^\| `reserved_bytes` \|/m, '--describe=markdown');
    is(poolstat('top', '--file', '/dev/null')->{status}, 5, 'no board');
};
done_testing;
