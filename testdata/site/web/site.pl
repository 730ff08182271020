#!/usr/bin/perl
# A small web server on loopback, and its client, with what perl has by itself.
#   perl site.pl serve FOLDER   serves FOLDER/index.html, in the background, unless somebody does
#   perl site.pl get FOLDER     prints the page as it is served
#   perl site.pl stop FOLDER    ends the server
use strict;
use warnings;
use IO::Socket::INET;
use POSIX qw(setsid);

my ($what, $folder) = @ARGV;
die "site.pl serve|get|stop FOLDER\n" unless $folder && $what =~ /^(serve|get|stop)$/;

sub slurp {
    my ($name) = @_;
    open(my $file, '<', "$folder/$name") or return;
    local $/;
    return scalar <$file>;
}

sub spit {
    my ($name, $text) = @_;
    open(my $file, '>', "$folder/$name") or die "$folder/$name: $!\n";
    print $file $text;
    close($file) or die "$folder/$name: $!\n";
}

my $pid = slurp('pid');
my $runs = $pid && kill(0, $pid);

if ($what eq 'serve' && !$runs) {
    my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5) or die "cannot listen: $!\n";
    my $child = fork() // die "cannot fork: $!\n";
    if ($child) {
        spit('port', $server->sockport);
        spit('pid', $child);
        exit 0;
    }
    setsid();
    open($_->[0], $_->[1], '/dev/null') for [*STDIN, '<'], [*STDOUT, '>'], [*STDERR, '>'];
    # Nobody keeps a server for a sample longer than an hour.
    alarm 3600;
    while (my $client = $server->accept) {
        my $line = <$client>;
        my $page = slurp('index.html') // '';
        print $client "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nContent-Length: " . length($page) . "\r\n\r\n$page";
        close($client);
    }
} elsif ($what eq 'get') {
    my $port = slurp('port') // die "nobody serves $folder\n";
    my $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 5) or die "cannot connect: $!\n";
    print $client "GET / HTTP/1.0\r\n\r\n";
    my $body = 0;
    while (my $line = <$client>) {
        print $line if $body;
        $body = 1 if $line =~ /^\r?\n$/;
    }
} elsif ($what eq 'stop' && $runs) {
    kill('TERM', $pid);
}
